# glmnet on the data in a directory, timed from within: Rscript glmnet.R DIRECTORY ROWS COLUMNS THRESH FOLDS
#
# X.f64 (column by column), y.f64, l1.f64 and, with FOLDS > 0, fold.f64 hold float64.  A run that is not counted comes
# first where it is short.  Coefficients (penalties by columns and intercept) go to coefs.f64, row by row, and the curve
# of cv.glmnet to curve.f64; seconds are printed.

suppressMessages(library(glmnet))
arguments <- commandArgs(trailingOnly = TRUE)
directory <- arguments[1]
n <- as.numeric(arguments[2])
p <- as.numeric(arguments[3])
thresh <- as.numeric(arguments[4])
folds <- as.numeric(arguments[5])
read <- function(name, count) readBin(file.path(directory, name), "double", count)
X <- read("X.f64", n * p)
dim(X) <- c(n, p)
y <- read("y.f64", n)
l1 <- read("l1.f64", 1e6)
glmnet.control(fdev = 0, devmax = 1)

work <- function() {
  if (folds > 0) {
    cv.glmnet(X, y, family = "binomial", lambda = l1, standardize = FALSE, thresh = thresh, foldid = read("fold.f64", n) + 1)
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
fit <- if (folds > 0) found$glmnet.fit else found
writeBin(as.vector(rbind(as.matrix(fit$beta), fit$a0)), file.path(directory, "coefs.f64"))
if (folds > 0) writeBin(found$cvm, file.path(directory, "curve.f64"))
cat(sprintf("%.17g\n", seconds))
