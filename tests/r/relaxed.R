# Relaxed fits and their cross-validation by R: writes relaxed.json, for tests/test_relaxed.py.
# Run in tests/r:  Rscript relaxed.R        R 4.2.2, glmnet 4.1-6, jsonlite
#
# thresh = 1e-22 (of three classes 1e-18), so that each fit is the optimum.  glmnet blends with gamma = 1e-5 for 0: coefficients are
# recorded of its relaxed fits themselves.
suppressMessages({library(glmnet); library(jsonlite)})
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
infert <- data_of("infert"); birthwt <- data_of("birthwt"); housing <- data_of("housing")
I <- as.matrix(infert[, c("age", "parity", "induced", "spontaneous")])
half <- 0.5 + infert$parity / 4; shift <- (infert$age - 30) / 20
B <- as.matrix(birthwt[, c("age", "lwt", "race", "smoke", "ptl", "ht", "ui", "ftv")])
H <- with(housing, cbind(Infl == "Medium", Infl == "High", Type == "Apartment", Type == "Atrium", Type == "Terrace",
                         Cont == "High")) * 1
satisfied <- factor(housing$Sat, c("Low", "Medium", "High"))
some <- function(from, to) exp(seq(log(from), log(to), length.out = 7))

rows <- function(b) if (is.list(b)) unname(lapply(b, function(each) unname(t(as.matrix(each))))) else unname(t(as.matrix(b)))
relaxed <- function(x, y, lambda, family = "binomial", thresh = 1e-22, ...) {
  # values, not names, in the call, which relax evaluates again
  fit <- do.call(glmnet, list(x = x, y = y, family = family, lambda = lambda, relax = TRUE, thresh = thresh, maxit = 1e9, ...))
  a0 <- function(f) if (is.matrix(f$a0)) unname(t(f$a0)) else unname(f$a0)
  list(lambda = lambda, shrunk = list(coef = rows(fit$beta), intercept = a0(fit)),
       free = list(coef = rows(fit$relaxed$beta), intercept = a0(fit$relaxed)), deviance_ratio = fit$relaxed$dev.ratio)
}
cross <- function(x, y, lambda, folds, ...) {
  one <- function(measure) {
    cv <- cv.glmnet(x, y, family = "binomial", lambda = lambda, foldid = folds, type.measure = measure, relax = TRUE,
                    gamma = c(0.1, 0.25, 0.5, 0.75, 1), thresh = 1e-22, maxit = 1e9, ...)
    of <- function(name) unname(t(sapply(cv$relaxed$statlist, function(s) s[[name]])))
    list(mean = of("cvm"), se = of("cvsd"), lambda_min = cv$relaxed$lambda.min, gamma_min = cv$relaxed$gamma.min,
         lambda_1se = cv$relaxed$lambda.1se, gamma_1se = cv$relaxed$gamma.1se)
  }
  list(lambda = lambda, folds = folds, deviance = one("deviance"), mse = one("mse"), auc = one("auc"))
}
write_json(list(
  birthwt = relaxed(B, birthwt$low, some(0.12, 2e-3)),
  birthwt_net = relaxed(B, birthwt$low, some(0.3, 5e-3), alpha = 0.5, penalty.factor = c(0, 1, 2, 1, 1, 1, 1, 1)),
  infert = relaxed(I, infert$case, some(0.2, 1e-3), weights = half, offset = shift),
  housing = relaxed(H, satisfied, some(0.05, 1e-3), "multinomial", 1e-18, weights = housing$Freq),
  cv_birthwt = cross(B, birthwt$low, some(0.1, 1e-3), rep(c(1, 3, 2, 4, 5), length.out = nrow(B))),
  cv_infert = cross(I, infert$case, some(0.2, 1e-3), rep(1:6, length.out = nrow(I)), weights = half, offset = shift)
), "relaxed.json", digits = NA, auto_unbox = TRUE)
