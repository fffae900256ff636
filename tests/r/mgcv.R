# Smooths with smoothing parameters by REML: mgcv's gam(..., family = binomial, method = "REML").  R 4.2.2, mgcv
# 1.8-41, jsonlite.  Run from the root of the project: Rscript tests/r/mgcv.R
# A smoothing parameter is the weight of a penalty defined as here: the integral of f''(u)^2 with u = x / range(x) (cr),
# the squared second differences of coefficients (ps).
suppressMessages({
  library(jsonlite)
  library(mgcv)
})
exact <- gam.control(epsilon = 1e-10, maxit = 200, newton = list(conv.tol = 1e-12))
birthwt <- read.csv("tests/data/birthwt.csv")
pima <- read.csv("tests/data/pima.csv")
pima$type <- as.integer(pima$type == "Yes")
menarche <- read.csv("tests/data/menarche.csv")
titanic <- read.csv("tests/data/titanic_passengers.csv", stringsAsFactors = TRUE)
titanic$survived <- as.integer(titanic$survived == "yes")
titanic <- titanic[!is.na(titanic$age), ]

fitted_gam <- function(formula, data, new, weight = rep(1, nrow(data))) {
  data$weight <- weight
  fit <- gam(formula, family = binomial, method = "REML", data = data, control = exact, weights = weight)
  table <- summary(fit)$s.table
  strength <- unlist(lapply(fit$smooth, function(s) {
    sp <- fit$sp[s$first.sp:s$last.sp]
    if (inherits(s, "cr.smooth")) return(sp / s$S.scale / diff(range(s$xp))^3)
    if (inherits(s, "pspline.smooth")) sp / s$S.scale else sp
  }))
  at <- predict(fit, new, se.fit = TRUE)
  list(
    fitted = as.numeric(fitted(fit)), edf = as.numeric(table[, "edf"]), ref_df = as.numeric(table[, "Ref.df"]),
    p_value = as.numeric(table[, "p-value"]), strength = as.numeric(strength), link = as.numeric(at$fit),
    se = as.numeric(at$se.fit), se_fitted = as.numeric(predict(fit, se.fit = TRUE)$se.fit),
    total_edf = sum(fit$edf), log_likelihood = as.numeric(logLik(fit)), deviance = deviance(fit),
    parametric = as.numeric(coef(fit)[seq_len(fit$nsdf)]), parametric_se = as.numeric(sqrt(diag(vcov(fit)))[seq_len(fit$nsdf)])
  )
}
out <- list()
out$pima <- fitted_gam(
  type ~ s(glu, k = 10, bs = "cr") + s(bmi, k = 8, bs = "ps") + s(age, k = 10, bs = "cr") + npreg, pima,
  data.frame(glu = c(40, 120, 210), bmi = c(15, 33, 70), age = c(20, 40, 90), npreg = c(0, 3, 8))
)
out$birthwt <- fitted_gam(
  low ~ s(age, k = 8, bs = "cr") + s(lwt, k = 12, bs = "ps") + smoke, birthwt,
  data.frame(age = c(12, 25, 50), lwt = c(70, 120, 260), smoke = c(0, 1, 1))
)
out$menarche <- fitted_gam(
  cbind(Menarche, Total - Menarche) ~ s(Age, k = 10, bs = "cr"), menarche, data.frame(Age = c(8, 13, 19))
)
out$by_factor <- fitted_gam(
  survived ~ sex + passengerClass + s(age, by = sex, k = 8, bs = "cr"), titanic,
  data.frame(sex = c("female", "male"), passengerClass = c("1st", "3rd"), age = c(30, 85))
)
out$by_number <- fitted_gam(
  type ~ glu + bmi + s(age, by = glu, k = 6, bs = "cr"), pima,
  data.frame(glu = c(90, 150), bmi = c(30, 35), age = c(25, 60))
)
birthwt$shift <- 0.3 * (birthwt$ht - 0.5)
out$weighted <- fitted_gam(
  low ~ s(lwt, k = 10, bs = "cr") + smoke + offset(shift), birthwt,
  data.frame(lwt = c(90, 150), smoke = c(0, 1), shift = c(0, 0)), 1 + birthwt$ftv
)
write_json(out, "tests/r/mgcv.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
