# Bias reduction by R: writes firth.json.
# Run in tests/r:  Rscript firth.R        R 4.2.2, brglm2 0.9, jsonlite
#
# Estimates are brglm2's.  logistf's profiles (the Jeffreys term is the whole model's) are re-made here: the penalised
# likelihood is maximised over the parameters that are not held by optim and Newton steps, ends are found by uniroot.
suppressMessages({library(brglm2); library(jsonlite)})
data_of <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")), stringsAsFactors = TRUE)
quiet <- suppressWarnings
birthwt <- data_of("birthwt"); lizards <- data_of("lizards"); infert <- data_of("infert")
endometrial <- data_of("endometrial"); womenlf <- data_of("womenlf")
infert$half <- 0.5 + infert$parity / 4

br <- function(type) brglm_control(epsilon = 1e-12, maxit = 500, type = type)
many <- brglm_control(epsilon = 1e-12, maxit = 100, type = "AS_mean")  # for several classes it goes on at its rounding
reduced <- function(formula, data, type, weights = NULL) {
  data$w. <- if (is.null(weights)) 1 else data[[weights]]
  fit <- quiet(glm(formula, binomial, data, weights = w., method = "brglmFit", control = br(type)))
  list(names = names(coef(fit)), params = unname(coef(fit)), std_error = unname(sqrt(diag(vcov(fit)))),
       log_likelihood = as.numeric(-fit$deviance / 2))
}
# the penalised profile, with the information of the whole model: optim on the parameters that are not held
penalised <- function(X, y, w, theta) {
  p <- plogis(as.vector(X %*% theta))
  I <- t(X) %*% (w * p * (1 - p) * X)
  sum(w * (y * plogis(X %*% theta, log.p = TRUE) + (1 - y) * plogis(-(X %*% theta), log.p = TRUE))) +
    0.5 * as.numeric(determinant(I)$modulus)
}
penalised_score <- function(X, y, w, theta) {
  p <- plogis(as.vector(X %*% theta)); v <- w * p * (1 - p)
  h <- v * rowSums((X %*% solve(t(X) %*% (v * X))) * X)
  as.vector(t(X) %*% (w * (y - p) + h * (0.5 - p)))
}
penalised_max <- function(X, y, w, hold, theta) {  # BFGS, then Newton steps on a numerical Jacobian of the exact score
  free <- setdiff(seq_along(theta), hold)
  if (length(free) == 0) return(list(value = penalised(X, y, w, theta), theta = theta))
  put <- function(f) { t <- theta; t[free] <- f; t }
  scale <- apply(X, 2, function(x) sqrt(mean(x^2)))[free]
  found <- optim(theta[free], function(f) -penalised(X, y, w, put(f)),
                 function(f) -penalised_score(X, y, w, put(f))[free], method = "BFGS",
                 control = list(reltol = 1e-15, maxit = 5000, parscale = 1 / scale))$par
  for (i in 1:6) {
    U <- penalised_score(X, y, w, put(found))[free]
    J <- sapply(seq_along(found), function(k) { h <- 1e-4 / scale[k]; e <- h * (seq_along(found) == k)
      (penalised_score(X, y, w, put(found + e)) - penalised_score(X, y, w, put(found - e)))[free] / (2 * h) })
    found <- found - solve(J, U)
  }
  list(value = penalised(X, y, w, put(found)), theta = put(found))
}
penalised_ends <- function(X, y, w = rep(1, nrow(X)), level = 0.95) {
  d <- ncol(X)
  whole <- penalised_max(X, y, w, integer(0), numeric(d))
  p <- plogis(as.vector(X %*% whole$theta)); se <- sqrt(diag(solve(t(X) %*% (w * p * (1 - p) * X))))
  one <- function(j, step) {
    at <- whole$theta
    f <- function(b) { at[j] <<- b; m <- penalised_max(X, y, w, j, at); at <<- m$theta
      2 * (whole$value - m$value) - qchisq(level, 1) }
    from <- whole$theta[j]; to <- from + step / 2
    while (f(to) < 0) { from <- to; to <- to + step / 2 }
    uniroot(f, sort(c(from, to)), tol = 1e-12 * (1 + abs(to)), maxiter = 1000)$root
  }
  test <- function(hold) { at <- whole$theta; at[hold] <- 0
    2 * (whole$value - penalised_max(X, y, w, hold, at)$value) }
  list(params = whole$theta, penalised_log_likelihood = whole$value,
       lower = sapply(1:d, function(j) one(j, -se[j])), upper = sapply(1:d, function(j) one(j, se[j])),
       statistics = sapply(1:d, test), overall = test(2:d))
}
multinomial_reduced <- function(formula, data, weights = NULL, ref = 1) {
  data$w. <- if (is.null(weights)) 1 else data[[weights]]
  fit <- quiet(brmultinom(formula, data = data, weights = w., ref = ref, control = many))
  list(classes = fit$lev, ref = ref, names = colnames(coef(fit)), params = as.vector(t(coef(fit))),
       std_error = unname(sqrt(diag(vcov(fit)))))
}
bw <- low ~ age + lwt + factor(race) + smoke + ptl + ht + ui + ftv
lz <- cbind(grahami, opalinus) ~ height + diameter + light + time
en <- HG ~ NV + PI + EH
housing <- data_of("housing")
housing$Sat <- factor(housing$Sat, c("Low", "Medium", "High")); housing$seen <- housing$Freq
iris <- data_of("iris"); iris <- iris[seq(1, 150, 3), ]
write_json(list(
  endometrial = list(mean = reduced(en, endometrial, "AS_mean"), median = reduced(en, endometrial, "AS_median"),
                     profile = penalised_ends(model.matrix(~ NV + PI + EH, endometrial), endometrial$HG)),
  lizards = list(mean = reduced(lz, lizards, "AS_mean"), median = reduced(lz, lizards, "AS_median")),
  birthwt = list(mean = reduced(bw, birthwt, "AS_mean"), median = reduced(bw, birthwt, "AS_median"),
                 profile = penalised_ends(model.matrix(bw, birthwt), birthwt$low)),
  infert_weighted = list(mean = reduced(case ~ spontaneous + induced, infert, "AS_mean", "half"),
                         median = reduced(case ~ spontaneous + induced, infert, "AS_median", "half")),
  womenlf = multinomial_reduced(partic ~ hincome + children, womenlf),
  womenlf_ref2 = multinomial_reduced(partic ~ hincome + children, womenlf, ref = 2),
  housing = multinomial_reduced(Sat ~ Infl + Cont, housing, "seen"),
  iris = multinomial_reduced(Species ~ Sepal.Length + Sepal.Width, iris)
), "firth.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
