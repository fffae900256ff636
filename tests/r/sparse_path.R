# Numbers of glmnet on a sparse matrix for tests/test_sparse_doors.py: what of each column of wdbc.csv exceeds its 456th
# value of 569.  R 4.2.2, glmnet 4.1-6, Matrix 1.5-3; thresh so that fits are optima.
# Run in the root of the project: Rscript tests/r/sparse_path.R
suppressMessages(library(glmnet))

whole <- read.csv("tests/data/wdbc.csv")
dense <- sapply(whole[, 1:30], function(x) pmax(x - sort(x)[456], 0))
x <- Matrix::Matrix(dense, sparse = TRUE)
stopifnot(is(x, "dgCMatrix"))
weights <- 1 + seq_len(nrow(x)) %% 3
fold <- seq_len(nrow(x)) %% 4 + 1
lambda <- c(0.1, 0.03, 0.01, 0.003)
three <- ifelse(whole$malignant == 1, 2, ifelse(whole$mean_texture > 18, 1, 0))
tight <- function(y, family, ...) glmnet(x, y, family = family, lambda = lambda, thresh = 1e-20, maxit = 1e9, ...)
told <- function(fit) as.matrix(coef(fit))

cv <- cv.glmnet(x, whole$malignant, family = "binomial", lambda = lambda, foldid = fold, type.measure = "deviance",
                weights = weights, thresh = 1e-20, maxit = 1e9, keep = TRUE)
# cv.glmnet's own curve moves probabilities into [1e-5, 1 - 1e-5]; here they stay where they are
link <- cv$fit.preval[, seq_along(lambda)]
each <- 2 * log1p(exp(ifelse(whole$malignant == 1, -1, 1) * link))
total <- tapply(weights, fold, sum)
raw <- rowsum(each * weights, fold) / as.vector(total)
mean <- colSums(raw * as.vector(total)) / sum(total)
se <- sqrt(colSums(sweep(raw, 2, mean)^2 * as.vector(total)) / sum(total) / (nrow(raw) - 1))
several <- tight(three, "multinomial")
jsonlite::write_json(list(
  lambda = lambda,
  lasso = told(tight(whole$malignant, "binomial", weights = weights)),
  raw = told(tight(whole$malignant, "binomial", standardize = FALSE)),
  net = told(tight(whole$malignant, "binomial", alpha = 0.5)),
  ridge = told(tight(whole$malignant, "binomial", alpha = 0)),
  three = lapply(coef(several), as.matrix),
  cv = list(mean = mean, se = se, min = lambda[which.min(mean)], clipped = cv$cvm)
), "tests/r/sparse_path.json", digits = NA, auto_unbox = TRUE)
