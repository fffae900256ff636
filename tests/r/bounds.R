# Paths between bounds by R: writes bounds.json.
# Run in tests/r:  Rscript bounds.R        R 4.2.2, glmnet 4.1-6, jsonlite
#
# thresh = 1e-22 (1e-20 of several classes), so that each fit is the optimum; lambda = 0 is no penalty but the bounds.
suppressMessages({library(glmnet); library(jsonlite)})
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
glmnet.control(fdev = 1e-5)
wdbc <- data_of("wdbc"); infert <- data_of("infert"); birthwt <- data_of("birthwt"); menarche <- data_of("menarche")
iris <- data_of("iris"); S <- as.matrix(iris[, 1:4])
W <- as.matrix(wdbc[, 1:30])
I <- as.matrix(infert[, c("age", "parity", "induced", "spontaneous")])
half <- 0.5 + infert$parity / 4; shift <- (infert$age - 30) / 20
B <- as.matrix(birthwt[, c("age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv")])
M <- cbind(menarche$Age, menarche$Age^2, sqrt(menarche$Age))
reached <- cbind(menarche$Total - menarche$Menarche, menarche$Menarche)

path <- function(x, y, lower = -Inf, upper = Inf, lambda = NULL, ...) {
  fit <- glmnet(x, y, family = "binomial", lambda = lambda, lower.limits = lower, upper.limits = upper,
                thresh = 1e-22, maxit = 1e9, ...)
  list(lambda = fit$lambda, coef = unname(t(as.matrix(fit$beta))), intercept = unname(fit$a0), df = unname(fit$df),
       deviance_ratio = fit$dev.ratio, null_deviance = fit$nulldev)
}
classes <- function(lambda, ...) {
  fit <- glmnet(S, iris$Species, family = "multinomial", lambda = lambda, thresh = 1e-20, maxit = 1e8, ...)
  list(lambda = fit$lambda, coef = unname(lapply(fit$beta, function(b) unname(t(as.matrix(b))))),
       intercept = unname(t(fit$a0)), deviance_ratio = fit$dev.ratio)
}
some <- function(...) exp(seq(log(...elt(1)), log(...elt(2)), length.out = 7))

write_json(list(
  wdbc_positive = path(W, wdbc$malignant, lower = 0, lambda = some(0.3, 1e-3)),
  wdbc_box = path(W, wdbc$malignant, lower = -0.02, upper = 0.05, lambda = some(0.3, 1e-3)),
  wdbc_net = path(W, wdbc$malignant, lower = rep(c(-Inf, 0, -0.1), 10), upper = rep(c(0.1, Inf, 0), 10),
                  lambda = some(0.5, 1e-3), alpha = 0.5, penalty.factor = rep(c(1, 2, 0.5), 10)),
  wdbc_ridge = path(W, wdbc$malignant, lower = 0, lambda = some(10, 1e-2), alpha = 0),
  wdbc_raw = path(W, wdbc$malignant, lower = 0, lambda = some(50, 1e-2), standardize = FALSE),
  infert = path(I, infert$case, lower = c(0, -0.5, -Inf, 0), upper = c(Inf, Inf, 0.8, 1), lambda = some(0.2, 1e-3),
                weights = half, offset = shift),
  infert_factors = path(I, infert$case, lower = c(-0.02, -0.1, -Inf, 0), upper = 1, lambda = some(0.2, 1e-3),
                        weights = half, penalty.factor = c(0, 1, Inf, 3)),
  infert_free = path(I, infert$case, lower = c(0, -0.5, -Inf, 0), upper = c(Inf, Inf, 0.8, 1), lambda = 0),
  birthwt_default = path(B, birthwt$low, lower = 0),
  birthwt_upper_default = path(B, birthwt$low, upper = 0.3, alpha = 0.3, nlambda = 40),
  birthwt_through_zero = path(B, birthwt$low, lower = 0, lambda = some(0.3, 1e-3), intercept = FALSE),
  birthwt_free = path(B, birthwt$low, lower = 0, lambda = 0),
  menarche = path(M, reached, upper = c(0.5, 0.02, Inf), lambda = some(0.3, 1e-3)),
  iris = classes(some(0.4, 1e-2), lower.limits = 0),
  iris_box = classes(some(0.4, 1e-2), lower.limits = -0.3, upper.limits = 0.5),
  iris_net = classes(some(0.4, 1e-2), lower.limits = c(-1, 0, -Inf, -0.2), upper.limits = c(Inf, 1, 0.4, 1), alpha = 0.5,
                     weights = 0.5 + iris$Sepal.Width / 4,
                     offset = cbind(iris$Sepal.Width - 3, 0, 3 - iris$Sepal.Width) / 4),
  iris_ridge = classes(some(0.4, 1e-2), lower.limits = -0.2, upper.limits = 0.3, alpha = 0)
), "bounds.json", digits = NA, auto_unbox = TRUE)
