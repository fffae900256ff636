# glmnet on the data in a directory, timed from within: Rscript glmnet.R DIRECTORY ROWS COLUMNS THRESH FOLDS RIDGE
#
# X.f64 (column by column), y.f64, l1.f64, l2.f64 and, with FOLDS > 0, fold.f64 hold float64.  A run that is not counted
# comes first where it is short.  Coefficients (penalties by columns and intercept) go to coefs.f64, row by row, and the
# curve of cv.glmnet to curve.f64; seconds are printed.  RIDGE > 0: the ridges, without each fold in turn, whose
# coefficients follow each other; the losses of its rows count against all rows' number.

suppressMessages(library(glmnet))
arguments <- commandArgs(trailingOnly = TRUE)
directory <- arguments[1]
n <- as.numeric(arguments[2])
p <- as.numeric(arguments[3])
thresh <- as.numeric(arguments[4])
folds <- as.numeric(arguments[5])
ridge <- as.numeric(arguments[6])
read <- function(name, count) readBin(file.path(directory, name), "double", count)
X <- read("X.f64", n * p)
dim(X) <- c(n, p)
y <- read("y.f64", n)
l1 <- read("l1.f64", 1e6)
l2 <- read("l2.f64", 1e6)
if (folds > 0) fold <- read("fold.f64", n)
glmnet.control(fdev = 0, devmax = 1)

without <- function(k) {
  train <- fold != k
  glmnet(
    X[train, ], y[train], family = "binomial", alpha = 0, lambda = l2 * n / sum(train), standardize = FALSE,
    thresh = thresh
  )
}
work <- function() {
  if (ridge > 0) {
    lapply(seq_len(folds) - 1, without)
  } else if (folds > 0) {
    cv.glmnet(X, y, family = "binomial", lambda = l1, standardize = FALSE, thresh = thresh, foldid = fold + 1)
  } else {
    glmnet(X, y, family = "binomial", lambda = l1, standardize = FALSE, thresh = thresh)
  }
}
clock <- function() {
  began <- Sys.time()
  found <<- work()
  as.numeric(difftime(Sys.time(), began, units = "secs"))
}
seconds <- clock()
if (seconds < 5) seconds <- median(replicate(3, clock()))
fits <- if (ridge > 0) found else if (folds > 0) list(found$glmnet.fit) else list(found)
# descending penalties, as glmnet sorts them; as they were given where those ascend
order <- if (ridge > 0) match(l2, sort(l2, decreasing = TRUE)) else seq_along(l1)
coefs <- lapply(fits, function(fit) rbind(as.matrix(fit$beta), fit$a0)[, order, drop = FALSE])
writeBin(unlist(coefs), file.path(directory, "coefs.f64"))
if (folds > 0 && ridge == 0) writeBin(found$cvm, file.path(directory, "curve.f64"))
cat(sprintf("%.17g\n", seconds))
