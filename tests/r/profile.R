# Profile likelihood, of separated data too, by R: writes profile.json.
# Run in tests/r:  Rscript profile.R        R 4.2.2, MASS 7.3-58.2, jsonlite
#
# Ends of intervals come from uniroot on re-fits with an offset (MASS's confint interpolates the same profile by splines),
# re-fits by glm to its limit, and by plain Newton steps for several classes.
suppressMessages({library(MASS); library(jsonlite)})
exact <- glm.control(epsilon = 1e-15, maxit = 200)
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")), stringsAsFactors = TRUE)
write <- function(x, file) write_json(x, file, digits = NA, auto_unbox = TRUE, pretty = TRUE)
quiet <- suppressWarnings

# --- two classes: re-fits by glm with an offset ----------------------------------------------------------------------

refit <- function(X, y, w, j, b) quiet(glm.fit(X[, -j, drop = FALSE], y, w, offset = b * X[, j],
                                               family = binomial(), control = exact)$deviance)
end <- function(X, y, w, j, from, step, least, cut) {  # first crossing outward, by doubling steps
  f <- function(b) refit(X, y, w, j, b) - least - cut
  to <- from + step
  while (f(to) < 0) { from <- to; step <- 2 * step; to <- from + step }
  uniroot(f, sort(c(from, to)), tol = 1e-13 * (1 + abs(to)), maxiter = 1000)$root
}
ends <- function(formula, data, weights = NULL, level = 0.95) {
  data$w. <- if (is.null(weights)) 1 else data[[weights]]
  fit <- glm(formula, binomial, data, weights = w., control = exact)
  X <- model.matrix(fit); y <- fit$y; w <- fit$prior.weights; se <- sqrt(diag(vcov(fit)))
  each <- lapply(seq_along(coef(fit)), function(j) {
    b <- unname(coef(fit)[j])
    c(end(X, y, w, j, b, -se[j], fit$deviance, qchisq(level, 1)), end(X, y, w, j, b, se[j], fit$deviance, qchisq(level, 1)))
  })
  list(names = names(coef(fit)), params = unname(coef(fit)), std_error = unname(se), level = level,
       lower = sapply(each, `[`, 1), upper = sapply(each, `[`, 2),
       mass = unname(quiet(suppressMessages(MASS:::confint.glm(fit, level = level)))))
}

birthwt <- data_of("birthwt"); lizards <- data_of("lizards"); menarche <- data_of("menarche"); infert <- data_of("infert")
endometrial <- data_of("endometrial"); womenlf <- data_of("womenlf")
infert$half <- 0.5 + infert$parity / 4

# separated: NV tends to +infinity; its profile has one end.  The limit is the fit of the rows with NV = 0.
X <- model.matrix(~ NV + PI + EH, endometrial); y <- endometrial$HG
rest <- glm(HG ~ PI + EH, binomial, subset(endometrial, NV == 0), control = exact)
one_sided <- end(X, y, rep(1, nrow(X)), 2, 6, -1, rest$deviance, qchisq(0.95, 1))
others <- ends(HG ~ PI + EH, subset(endometrial, NV == 0))
lr <- glm(HG ~ PI + EH, binomial, endometrial, control = exact)$deviance - rest$deviance

# --- several classes: plain Newton steps on theta with theta_j held --------------------------------------------------

softmax_newton <- function(X, Y, w = rep(1, nrow(X)), hold = integer(0), at = NULL) {
  q <- ncol(X); C <- ncol(Y) - 1; d <- q * C
  theta <- if (is.null(at)) numeric(d) else at
  free <- setdiff(seq_len(d), hold)
  parts <- function(theta) {
    eta <- cbind(0, X %*% matrix(theta, q)); top <- apply(eta, 1, max)
    P <- exp(eta - top); P <- P / rowSums(P)
    value <- sum(w * Y * (eta - top - log(rowSums(exp(eta - top)))))
    g <- as.vector(t(X) %*% (w * (Y - P))[, -1, drop = FALSE])
    I <- matrix(0, d, d)
    for (a in 1:C) for (b in 1:C) {
      v <- w * (P[, a + 1] * (a == b) - P[, a + 1] * P[, b + 1])
      I[(a - 1) * q + 1:q, (b - 1) * q + 1:q] <- t(X) %*% (v * X)
    }
    list(value = value, g = g, I = I, P = P)
  }
  for (i in 1:200) {
    now <- parts(theta)
    step <- solve(now$I[free, free], now$g[free])
    t <- 1
    trial <- theta; trial[free] <- theta[free] + step
    while (parts(trial)$value < now$value - 1e-12 * abs(now$value) && t > 1e-6) {
      t <- t / 2; trial[free] <- theta[free] + t * step
    }
    theta <- trial
    if (sum(step * now$g[free]) < 1e-24) break
  }
  c(list(theta = theta), parts(theta))
}
multinomial_ends <- function(X, Y, w = rep(1, nrow(X)), level = 0.95) {
  fit <- softmax_newton(X, Y, w); se <- sqrt(diag(solve(fit$I)))
  one <- function(j, step) {
    f <- function(b) { at <- fit$theta; at[j] <- b
      2 * (fit$value - softmax_newton(X, Y, w, j, at)$value) - qchisq(level, 1) }
    from <- fit$theta[j]; to <- from + step
    while (f(to) < 0) { from <- to; step <- 2 * step; to <- from + step }
    uniroot(f, sort(c(from, to)), tol = 1e-13 * (1 + abs(to)), maxiter = 1000)$root
  }
  list(params = fit$theta, std_error = se, log_likelihood = fit$value, level = level,
       lower = sapply(seq_along(se), function(j) one(j, -se[j])), upper = sapply(seq_along(se), function(j) one(j, se[j])))
}
Xw <- model.matrix(~ hincome + children, womenlf)
Yw <- sapply(levels(womenlf$partic), function(k) as.numeric(womenlf$partic == k))

write(list(
  birthwt = ends(low ~ age + lwt + factor(race) + smoke + ptl + ht + ui + ftv, birthwt),
  birthwt90 = ends(low ~ age + lwt + smoke, birthwt, level = 0.9),
  lizards = ends(cbind(grahami, opalinus) ~ height + diameter + light + time, lizards),
  menarche = ends(cbind(Menarche, Total - Menarche) ~ Age, menarche),
  infert_weighted = quiet(ends(case ~ spontaneous + induced, infert, weights = "half")),
  endometrial = list(limit = others, log_likelihood = -rest$deviance / 2, NV_lower = one_sided, NV_lr = lr),
  womenlf = multinomial_ends(Xw, Yw)
), "profile.json")
