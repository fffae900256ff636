"""Questions that are sums over rows, and what answers them."""
