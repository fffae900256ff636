# Paths and cross-validation by R: writes glmnet.json.
# Run in tests/r:  Rscript glmnet.R        R 4.2.2, glmnet 4.1-6, jsonlite
#
# thresh = 1e-22, so that each fit is the optimum (1e-14 leaves 1e-4 of wdbc); the lambdas are given, or the automatic ones of a default path.
# cv.glmnet keeps probabilities off 0 and 1 by 1e-5; the cases here do not reach that far.
suppressMessages({library(glmnet); library(jsonlite)})
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
glmnet.control(fdev = 1e-5)
wdbc <- data_of("wdbc"); infert <- data_of("infert"); birthwt <- data_of("birthwt"); menarche <- data_of("menarche")
iris <- data_of("iris"); housing <- data_of("housing")
W <- as.matrix(wdbc[, 1:30]); infert_columns <- c("age", "parity", "induced", "spontaneous")
I <- as.matrix(infert[, infert_columns]); half <- 0.5 + infert$parity / 4; shift <- (infert$age - 30) / 20
birthwt_columns <- c("age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv")
B <- as.matrix(birthwt[, birthwt_columns])

numbers <- function(fit) {
  coefs <- if (is.list(fit$beta)) lapply(fit$beta, function(b) unname(t(as.matrix(b)))) else unname(t(as.matrix(fit$beta)))
  list(lambda = fit$lambda, coef = coefs, intercept = if (is.list(fit$beta)) unname(t(fit$a0)) else unname(fit$a0),
       df = unname(fit$df), deviance_ratio = fit$dev.ratio, null_deviance = fit$nulldev)
}
path <- function(x, y, family = "binomial", lambda = NULL, thresh = 1e-22, ...)
  numbers(glmnet(x, y, family = family, lambda = lambda, thresh = thresh, maxit = 1e9, ...))
some <- function(...) exp(seq(log(...elt(1)), log(...elt(2)), length.out = 7))

paths <- list(
  wdbc = path(W, wdbc$malignant, lambda = some(0.3, 1e-3)),
  wdbc_raw = path(W, wdbc$malignant, lambda = some(50, 1e-2), standardize = FALSE),
  wdbc_net = path(W, wdbc$malignant, lambda = some(0.5, 1e-3), alpha = 0.5, penalty.factor = rep(c(1, 2, 0.5), 10)),
  wdbc_ridge = path(W, wdbc$malignant, lambda = some(10, 1e-2), alpha = 0),
  infert = path(I, infert$case, lambda = some(0.2, 1e-3), weights = half, offset = shift),
  infert_factors = path(I, infert$case, lambda = some(0.2, 1e-3), weights = half, penalty.factor = c(0, 1, Inf, 3)),
  infert_default = path(I, infert$case, weights = half, offset = shift, penalty.factor = c(0, 1, 2, 1)),
  birthwt_default = path(B, birthwt$low),
  birthwt_net_default = path(B, birthwt$low, alpha = 0.3, nlambda = 40),
  birthwt_through_zero = path(B, birthwt$low, lambda = some(0.3, 1e-3), intercept = FALSE),
  menarche = path(cbind(menarche$Age, menarche$Age^2, sqrt(menarche$Age)),
                  cbind(menarche$Total - menarche$Menarche, menarche$Menarche), lambda = some(0.3, 1e-3))
)

cross <- function(x, y, lambda, folds, ...) {
  one <- function(measure) {
    cv <- cv.glmnet(x, y, family = "binomial", lambda = lambda, foldid = folds, type.measure = measure,
                    thresh = 1e-22, maxit = 1e9, ...)
    list(mean = cv$cvm, se = cv$cvsd, best = cv$lambda.min, one_se = cv$lambda.1se)
  }
  list(lambda = lambda, folds = folds, deviance = one("deviance"), class = one("class"), mse = one("mse"),
       auc = one("auc"))
}
crossed <- list(
  infert = cross(I, infert$case, some(0.2, 1e-3), rep(1:6, length.out = nrow(I)), weights = half, offset = shift),
  birthwt = cross(B, birthwt$low, some(0.1, 1e-3), rep(c(1, 3, 2, 4, 5), length.out = nrow(B))),
  birthwt_net = cross(B, birthwt$low, some(0.5, 1e-3), rep(c(1, 3, 2, 4, 5), length.out = nrow(B)), alpha = 0.2,
                      standardize = FALSE)
)

# More than two classes, one coefficient at a time and all classes of a column together.
S <- as.matrix(iris[, 1:4]); species <- factor(iris$Species, unique(iris$Species))
H <- with(housing, cbind(Infl == "Medium", Infl == "High", Type == "Apartment", Type == "Atrium", Type == "Terrace",
                         Cont == "High")) * 1
satisfied <- factor(housing$Sat, c("Low", "Medium", "High"))
four <- factor(birthwt$low + 2 * birthwt$smoke); F <- as.matrix(birthwt[, setdiff(birthwt_columns, "smoke")])
reach <- cbind(0, birthwt$age / 40, 0, -birthwt$lwt / 300)
many <- function(x, y, ...) {
  fit <- path(x, y, family = "multinomial", thresh = 1e-18, ...)  # with less some never end
  fit$df <- NULL  # of many classes glmnet does not count columns, but an average
  fit
}
classes <- list(
  iris = many(S, species, lambda = some(0.4, 5e-3)),
  iris_raw = many(S, species, lambda = some(0.4, 5e-3), standardize = FALSE),
  iris_net = many(S, species, lambda = some(0.5, 5e-3), alpha = 0.5, penalty.factor = c(0, 1, 2, Inf)),
  housing_default = many(H, satisfied, weights = housing$Freq),
  four = many(F, four, lambda = some(0.1, 2e-3)),
  four_net = many(F, four, lambda = some(0.2, 2e-3), alpha = 0.7, offset = reach),
  four_through_zero = many(F, four, lambda = some(0.2, 2e-3), intercept = FALSE),
  iris_grouped = many(S, species, lambda = some(0.4, 5e-3), type.multinomial = "grouped"),
  housing_grouped_default = many(H, satisfied, weights = housing$Freq, type.multinomial = "grouped"),
  four_grouped_net = many(F, four, lambda = some(0.2, 2e-3), alpha = 0.7, offset = reach, standardize = FALSE,
                          penalty.factor = c(1, 2, 0, 1, 1, 3, 1), type.multinomial = "grouped")
)
write_json(list(paths = paths, crossed = crossed, classes = classes), "glmnet.json", digits = NA, auto_unbox = TRUE)
