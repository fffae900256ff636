# Paths that take all classes of a feature together, by R: writes groups.json.
# Run in tests/r:  Rscript groups.R        R 4.2.2, glmnet 4.1-6, jsonlite
#
# thresh = 1e-22, so that each fit is the optimum; at smaller lambdas glmnet does not get there.
suppressMessages({library(glmnet); library(jsonlite)})
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
glmnet.control(fdev = 1e-5)
iris <- data_of("iris"); birthwt <- data_of("birthwt")
X <- as.matrix(iris[, 1:4]); weight <- 0.5 + iris$Sepal.Width / 4
shift <- cbind(iris$Sepal.Width - 3, 0, 3 - iris$Sepal.Width) / 4
B <- as.matrix(birthwt[, c("age", "lwt", "smoke", "ptl", "ht", "ui", "ftv", "low")])

path <- function(x, y, lambda, ...) {
  fit <- glmnet(x, y, family = "multinomial", type.multinomial = "grouped", lambda = lambda, thresh = 1e-22,
                maxit = 1e9, ...)
  list(lambda = fit$lambda, coef = unname(lapply(fit$beta, function(b) unname(t(as.matrix(b))))),
       intercept = unname(t(fit$a0)), deviance_ratio = fit$dev.ratio, null_deviance = fit$nulldev)
}
some <- function(...) exp(seq(log(...elt(1)), log(...elt(2)), length.out = 7))

write_json(list(
  iris = path(X, iris$Species, some(0.4, 1e-2)),
  iris_raw = path(X, iris$Species, some(0.4, 1e-2), standardize = FALSE),
  iris_net = path(X, iris$Species, some(0.4, 1e-2), alpha = 0.4, penalty.factor = c(1, 2, 0.5, 1)),
  iris_weights = path(X, iris$Species, some(0.4, 1e-2), weights = weight, offset = shift,
                      penalty.factor = c(0, 1, 1, 2)),
  race = path(B, factor(birthwt$race), some(0.1, 5e-3))
), "groups.json", digits = NA, auto_unbox = TRUE)
