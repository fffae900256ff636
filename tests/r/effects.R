# Effects, contrasts, margins and predictions with standard errors by hand: model.matrix on altered data frames, the
# derivative of each quantity by the coefficients written out, vcov of the fit.  R 4.2.2 (stats, splines, jsonlite),
# emmeans 1.8.4.1, brglm2 0.9.  Run from the root of the project: Rscript tests/r/effects.R
suppressMessages({
  library(jsonlite)
  library(splines)
  library(emmeans)
  library(brglm2)
})
exact <- glm.control(epsilon = 1e-15, maxit = 100)
birthwt <- read.csv("tests/data/birthwt.csv")
birthwt$race <- factor(birthwt$race)
menarche <- read.csv("tests/data/menarche.csv")
womenlf <- read.csv("tests/data/womenlf.csv")
womenlf$partic <- factor(womenlf$partic, levels = sort(unique(womenlf$partic)))
housing <- read.csv("tests/data/housing.csv")
out <- list()

design <- function(fit, data) model.matrix(delete.response(terms(fit)), data, xlev = fit$xlevels)
keep <- function(estimate, gradient, V) {
  list(estimate = as.numeric(estimate), se = as.numeric(sqrt(gradient %*% V %*% gradient)))
}
# average prediction with gradient
margin <- function(fit, data, w = rep(1, nrow(data)), offset = 0) {
  X <- design(fit, data)
  p <- plogis(drop(X %*% coef(fit)) + offset)
  w <- w / sum(w)
  list(value = sum(w * p), gradient = colSums(w * p * (1 - p) * X))
}
# average slope; D = d design / d x
slope <- function(fit, data, D, w = rep(1, nrow(data)), offset = 0, how = "dydx", x = 1) {
  X <- design(fit, data)
  eta <- drop(X %*% coef(fit)) + offset
  p <- plogis(eta)
  u <- drop(D %*% coef(fit))
  w <- w / sum(w)
  if (how == "eydx" || how == "eyex") {
    value <- (1 - p) * u
    gradient <- (1 - p) * D - p * (1 - p) * u * X
  } else {
    value <- p * (1 - p) * u
    gradient <- p * (1 - p) * D + p * (1 - p) * (1 - 2 * p) * u * X
  }
  if (how == "dyex" || how == "eyex") {
    value <- value * x
    gradient <- gradient * x
  }
  keep(sum(w * value), colSums(w * gradient), vcov(fit))
}
zero <- function(fit, data) 0 * design(fit, data)
with_values <- function(data, ...) {
  values <- list(...)
  for (name in names(values)) {
    data[[name]] <- if (is.factor(data[[name]])) {
      factor(values[[name]], levels = levels(data[[name]]))
    } else {
      values[[name]]
    }
  }
  data
}
difference <- function(a, b, V) keep(b$value - a$value, b$gradient - a$gradient, V)
ratio <- function(a, b, V) keep(b$value / a$value, b$gradient / b$value - a$gradient / a$value, V)
odds <- function(a, b, V) {
  odd <- function(m) m$value / (1 - m$value)
  g <- function(m) m$gradient / (m$value * (1 - m$value))
  keep(odd(b) / odd(a), g(b) - g(a), V)
}

# --- additive model with a factor
fit <- glm(low ~ age + lwt + race + smoke, binomial, birthwt, control = exact)
V <- vcov(fit)
unit <- function(name) {
  D <- zero(fit, birthwt)
  D[, name] <- 1
  D
}
races <- lapply(c("1", "2", "3"), function(r) margin(fit, with_values(birthwt, race = r)))
means <- with_values(birthwt[1, ], age = mean(birthwt$age), lwt = mean(birthwt$lwt), race = "1", smoke = mean(birthwt$smoke))
at_means <- function(name) {
  D <- zero(fit, means)
  D[, name] <- 1
  slope(fit, means, D)
}
out$additive <- list(
  age = slope(fit, birthwt, unit("age")),
  lwt = slope(fit, birthwt, unit("lwt")),
  smoke_slope = slope(fit, birthwt, unit("smoke")),
  smoke_discrete = difference(
    margin(fit, with_values(birthwt, smoke = 0)), margin(fit, with_values(birthwt, smoke = 1)), V
  ),
  race_21 = difference(races[[1]], races[[2]], V),
  race_31 = difference(races[[1]], races[[3]], V),
  race_32 = difference(races[[2]], races[[3]], V),
  race_ratio_21 = ratio(races[[1]], races[[2]], V),
  race_odds_21 = odds(races[[1]], races[[2]], V),
  lwt_plus10 = difference(
    margin(fit, birthwt), margin(fit, with_values(birthwt, lwt = birthwt$lwt + 10)), V
  ),
  lwt_eyex = slope(fit, birthwt, unit("lwt"), how = "eyex", x = birthwt$lwt),
  lwt_eydx = slope(fit, birthwt, unit("lwt"), how = "eydx"),
  lwt_dyex = slope(fit, birthwt, unit("lwt"), how = "dyex", x = birthwt$lwt),
  age_at_means = at_means("age"),
  race_21_at_means = difference(margin(fit, means), margin(fit, with_values(means, race = "2")), V),
  age_race2 = slope(fit, birthwt, unit("age"), w = birthwt$race == "2"),
  margin_race3 = with(races[[3]], keep(value, gradient, V)),
  margin_age30_smoke1 = with(margin(fit, with_values(birthwt, age = 30, smoke = 1)), keep(value, gradient, V))
)
em <- summary(emmeans(fit, ~race, at = list(smoke = 1)))
out$emmeans <- list(estimate = em$emmean, se = em$SE) # link, at mean age and lwt

# --- interaction, power, logarithm
fit <- glm(low ~ age * smoke + I(age^2) + log(lwt) * race, binomial, birthwt, control = exact)
D_age <- zero(fit, birthwt)
D_age[, "age"] <- 1
D_age[, "age:smoke"] <- birthwt$smoke
D_age[, "I(age^2)"] <- 2 * birthwt$age
D_lwt <- zero(fit, birthwt)
D_lwt[, "log(lwt)"] <- 1 / birthwt$lwt
D_lwt[, "log(lwt):race2"] <- (birthwt$race == "2") / birthwt$lwt
D_lwt[, "log(lwt):race3"] <- (birthwt$race == "3") / birthwt$lwt
old <- with_values(birthwt, age = 35)
D_old <- D_age
D_old[, "I(age^2)"] <- 70
out$curved <- list(
  age = slope(fit, birthwt, D_age),
  age_at_35 = slope(fit, old, D_old),
  lwt = slope(fit, birthwt, D_lwt),
  race_31 = difference(
    margin(fit, with_values(birthwt, race = "1")), margin(fit, with_values(birthwt, race = "3")), vcov(fit)
  )
)

# --- spline: exact derivative of the basis
knots <- c(19, 23, 27)
boundary <- c(14, 45)
fit <- glm(low ~ bs(age, knots = knots, Boundary.knots = boundary) + smoke, binomial, birthwt, control = exact)
B <- splineDesign(c(rep(14, 4), knots, rep(45, 4)), birthwt$age, ord = 4, derivs = 1)[, -1]
D <- cbind(0, B, 0)
out$spline <- list(age = slope(fit, birthwt, D))

# --- grouped counts: averages over girls
fit <- glm(cbind(Menarche, Total - Menarche) ~ Age, binomial, menarche, control = exact)
D <- cbind(0, rep(1, nrow(menarche)))
out$counts <- list(
  Age = slope(fit, menarche, D, w = menarche$Total),
  margin_13 = with(margin(fit, with_values(menarche, Age = 13)), keep(value, gradient, vcov(fit)))
)

# --- offset
birthwt$exposure <- log(birthwt$lwt / 100)
fit <- glm(low ~ age + smoke + offset(exposure), binomial, birthwt, control = exact)
D <- zero(fit, birthwt)
D[, "age"] <- 1
out$offset <- list(age = slope(fit, birthwt, D, offset = birthwt$exposure))

# --- predictions with standard errors
fit <- glm(low ~ age * smoke + race, binomial, birthwt, control = exact)
new <- data.frame(age = c(15, 22.5, 41), smoke = c(1, 0, 1), race = factor(c("3", "1", "2")))
link <- predict(fit, new, se.fit = TRUE)
response <- predict(fit, new, type = "response", se.fit = TRUE)
q <- qnorm(0.95)
out$predictions <- list(
  link = unname(link$fit), link_se = unname(link$se.fit),
  probability = unname(response$fit), probability_se = unname(response$se.fit),
  lower = unname(plogis(link$fit - q * link$se.fit)), upper = unname(plogis(link$fit + q * link$se.fit))
)

# --- bias reduction (Firth) of separated data
endometrial <- read.csv("tests/data/endometrial.csv")
fit <- glm(HG ~ NV + PI + EH, binomial, endometrial,
  method = "brglmFit", type = "AS_mean",
  control = brglmControl(epsilon = 1e-13, maxit = 1000)
)
stopifnot(fit$converged)
D <- zero(fit, endometrial)
D[, "EH"] <- 1
out$firth <- list(
  EH = slope(fit, endometrial, D),
  NV = difference(margin(fit, with_values(endometrial, NV = 0)), margin(fit, with_values(endometrial, NV = 1)), vcov(fit))
)

# --- three classes: logits against the first class, gradient by the stacked coefficients of the two equations
multinomial <- function(fit, data, D = NULL, w = rep(1, nrow(data))) {
  B <- rbind(0, fit$B) # (K, q)
  X <- model.matrix(fit$terms, data)
  eta <- X %*% t(B)
  P <- exp(eta) / rowSums(exp(eta))
  K <- nrow(B)
  w <- w / sum(w)
  each <- function(k) {
    if (is.null(D)) {
      value <- P[, k]
      by <- lapply(2:K, function(e) P[, k] * ((k == e) - P[, e]) * X)
    } else {
      U <- D %*% t(B)
      bar <- rowSums(P * U)
      value <- P[, k] * (U[, k] - bar)
      by <- lapply(2:K, function(e) {
        (P[, k] * ((k == e) - P[, e]) * (U[, k] - bar) - P[, k] * P[, e] * (U[, e] - bar)) * X +
          P[, k] * ((k == e) - P[, e]) * D
      })
    }
    list(value = sum(w * value), gradient = unlist(lapply(by, function(g) colSums(w * g))))
  }
  lapply(seq_len(K), each)
}
several <- function(ms, V) {
  list(
    estimate = sapply(ms, function(m) m$value),
    se = sapply(ms, function(m) sqrt(drop(m$gradient %*% V %*% m$gradient)))
  )
}
# maximum likelihood by Newton's method from 0, to rounding
newton <- function(formula, data) {
  frame <- model.frame(formula, data)
  X <- model.matrix(formula, frame)
  Y <- model.matrix(~ 0 + model.response(frame))
  B <- matrix(0, ncol(Y) - 1, ncol(X))
  for (step in 1:20) {
    E <- cbind(1, exp(X %*% t(B)))
    P <- E / rowSums(E)
    K <- ncol(P)
    score <- c(t(X) %*% (Y - P)[, -1])
    information <- do.call(rbind, lapply(2:K, function(e) {
      do.call(cbind, lapply(2:K, function(f) t(X) %*% (P[, e] * ((e == f) - P[, f]) * X)))
    }))
    B <- B + t(matrix(solve(information, score), ncol = K - 1))
  }
  list(B = B, V = solve(information), terms = delete.response(terms(formula)))
}
womenlf$children <- factor(womenlf$children)
fit <- newton(partic ~ hincome + children, womenlf)
V <- fit$V
D <- cbind(0, rep(1, nrow(womenlf)), 0)
a <- multinomial(fit, with_values(womenlf, children = "absent"))
b <- multinomial(fit, with_values(womenlf, children = "present"))
minus <- function(a, b) Map(function(x, y) list(value = y$value - x$value, gradient = y$gradient - x$gradient), a, b)
single <- with_values(womenlf[1, ], hincome = 20, children = "present")
m <- multinomial(fit, single)
logit_se <- sapply(m, function(x) sqrt(drop(x$gradient %*% V %*% x$gradient)) / (x$value * (1 - x$value)))
out$multinomial <- list(
  classes = levels(womenlf$partic),
  hincome = several(multinomial(fit, womenlf, D), V),
  children = several(minus(a, b), V),
  prediction = c(several(m, V), list(
    lower = plogis(qlogis(sapply(m, function(x) x$value)) - qnorm(0.975) * logit_se),
    upper = plogis(qlogis(sapply(m, function(x) x$value)) + qnorm(0.975) * logit_se)
  ))
)

# --- weights that count: high satisfaction in Copenhagen
housing$high <- as.integer(housing$Sat == "High")
housing$Infl <- factor(housing$Infl, levels = c("High", "Low", "Medium"))
fit <- glm(high ~ Infl + Cont, binomial, housing, weights = Freq, control = exact)
out$weights <- list(
  frequency = difference(
    margin(fit, with_values(housing, Infl = "High"), housing$Freq),
    margin(fit, with_values(housing, Infl = "Low"), housing$Freq), vcov(fit)
  ),
  precision = difference(
    margin(fit, with_values(housing, Infl = "High")), margin(fit, with_values(housing, Infl = "Low")), vcov(fit)
  )
)

write_json(out, "tests/r/effects.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
