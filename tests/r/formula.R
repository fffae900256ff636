# Model matrices, predictions of bases on new data, and fits, from R: read by tests/test_formula_r.py.
# R 4.2.2 (stats, splines, jsonlite), MASS 7.3-58.2, mgcv 1.8-41.  Run from the root of the project:
# Rscript tests/r/formula.R
#
# Of each case: R's formula, the columns of model.matrix without the intercept, in every `step`-th row, and on new data.

suppressPackageStartupMessages({library(splines); library(jsonlite)})

birthwt <- read.csv("tests/data/birthwt.csv")
infert <- read.csv("tests/data/infert.csv")
infert$education <- factor(infert$education, levels = sort(unique(infert$education), method = "radix"))
lizards <- read.csv("tests/data/lizards.csv", stringsAsFactors = TRUE)
menarche <- read.csv("tests/data/menarche.csv")
holes <- birthwt
holes$lwt[holes$lwt > 180] <- NA  # a basis of age is learned from these rows too

step <- 9
new_birthwt <- data.frame(
  age = c(10, 14, 20.5, 23, 31.25, 45, 52), lwt = c(70, 80, 110, 121, 160.5, 250, 300), race = c(1, 2, 3, 3, 2, 1, 1),
  smoke = c(0, 1, 1, 0, 0, 1, 0), ht = 0, ui = c(0, 1, 0, 1, 0, 1, 0), ftv = c(0, 1, 2, 3, 4, 6, 0), ptl = c(0, 1, 2, 3, 0, 1, 2)
)
news <- list(birthwt = new_birthwt, holes = new_birthwt, menarche = data.frame(Age = c(5, 9.21, 12, 17.58, 20)))
tables <- list(birthwt = birthwt, holes = holes, infert = infert, lizards = lizards, menarche = menarche)

numbers <- function(X) {
  X <- X[, colnames(X) != "(Intercept)", drop = FALSE]
  list(names = I(colnames(X)), rows = unname(X))
}

design <- function(data, formula, new = TRUE) {
  table <- tables[[data]]
  # R warns of a bs outside its boundaries, and computes it
  frame <- suppressWarnings(model.frame(formula, table))
  X <- model.matrix(formula, frame)
  kept <- as.integer(rownames(X))
  picked <- kept[seq(1, length(kept), by = step)]
  found <- list(data = data, r = deparse1(formula), picked = I(picked), train = numbers(X[as.character(picked), , drop = FALSE]))
  if (new && !is.null(news[[data]])) {
    terms <- delete.response(attr(frame, "terms"))
    fresh <- suppressWarnings(model.frame(terms, news[[data]], xlev = .getXlevels(attr(frame, "terms"), frame)))
    found$new <- numbers(model.matrix(terms, fresh, contrasts.arg = attr(X, "contrasts")))
  }
  found
}

designs <- list(
  # polynomials and scale
  design("birthwt", ~ poly(age, 3)),
  design("birthwt", ~ poly(lwt, 5)),
  design("birthwt", ~ poly(lwt, 2, raw = TRUE) * smoke),
  design("birthwt", ~ poly(age)),
  design("birthwt", ~ scale(age) + scale(lwt, scale = FALSE) + scale(ftv, center = FALSE)),
  # R learns nothing of what stands inside another call, and standardises new data by themselves
  design("birthwt", ~ scale(log(lwt)) + I(scale(age)^2) + poly(scale(lwt), 2), new = FALSE),
  # splines
  design("birthwt", ~ ns(age, df = 4)),
  design("birthwt", ~ ns(age, 1)),
  design("birthwt", ~ ns(age)),
  design("birthwt", ~ ns(log(lwt), df = 3)),
  design("birthwt", ~ ns(lwt, knots = c(110, 130, 150), intercept = TRUE) - 1),
  design("birthwt", ~ ns(age, df = 3, Boundary.knots = c(18, 35))),
  design("birthwt", ~ ns(lwt, df = 5, intercept = TRUE) + 0),
  design("birthwt", ~ bs(lwt, df = 6)),
  design("birthwt", ~ bs(age)),
  design("birthwt", ~ bs(age, degree = 2, knots = c(20, 25))),
  design("birthwt", ~ bs(lwt, df = 5, intercept = TRUE) - 1),
  design("birthwt", ~ bs(lwt, df = 5, Boundary.knots = c(90, 200))),
  design("birthwt", ~ bs(lwt / 10, knots = c(11, 12, 12, 15), degree = 3)),
  design("birthwt", ~ bs(age, df = 4, degree = 1)),
  design("menarche", ~ ns(Age, df = 4) + bs(Age, df = 7)),
  design("holes", ~ ns(age, df = 3) + poly(age, 2) + scale(age) + lwt),
  design("holes", ~ ns(lwt, df = 3) + bs(lwt, df = 4)),
  # contrasts
  design("birthwt", ~ C(factor(race), sum)),
  design("birthwt", ~ C(factor(race), helmert)),
  design("birthwt", ~ C(factor(ftv), poly)),
  design("birthwt", ~ C(factor(ftv), contr.helmert) + C(factor(ptl), MASS::contr.sdif)),
  design("birthwt", ~ C(factor(race), MASS::contr.sdif)),
  design("birthwt", ~ C(factor(race), contr.treatment(3, base = 2))),
  design("birthwt", ~ 0 + C(factor(race), sum)),
  design("birthwt", ~ 0 + C(factor(race), poly) + C(factor(smoke), sum)),
  design("birthwt", ~ C(factor(race), sum) * C(factor(smoke), helmert)),
  design("birthwt", ~ C(factor(race), sum) * factor(smoke) * age),
  design("birthwt", ~ C(factor(race), sum):age),
  design("birthwt", ~ age + age:C(factor(race), sum)),
  design("birthwt", ~ C(factor(race), helmert) + C(factor(race), helmert):factor(smoke)),
  design("birthwt", ~ factor(smoke) + factor(smoke):C(factor(race), poly)),
  design("infert", ~ C(education, poly) * parity),
  design("infert", ~ C(education, sum):C(factor(induced), helmert) - 1),
  design("lizards", ~ C(height, sum) * C(time, helmert) + light),
  # products of bases
  design("birthwt", ~ poly(age, 2):factor(race)),
  design("birthwt", ~ factor(race):poly(age, 2)),
  design("birthwt", ~ factor(race) * poly(age, 2)),
  design("birthwt", ~ poly(age, 2) * C(factor(race), sum) * smoke),
  design("birthwt", ~ ns(age, 2):ns(lwt, 3) + ui),
  design("birthwt", ~ (ns(age, 2) + factor(smoke) + C(factor(race), helmert))^3 - 1),
  design("birthwt", ~ factor(smoke):ns(lwt, 2):factor(race) + 0),
  design("birthwt", ~ bs(age, 3):factor(smoke) + bs(age, 3)),
  # nesting
  design("birthwt", ~ factor(race) / age),
  design("birthwt", ~ factor(race) / factor(smoke) - 1),
  design("birthwt", ~ factor(race) / (age + factor(smoke))),
  design("birthwt", ~ (factor(race) + factor(smoke)) / lwt),
  design("birthwt", ~ factor(race) / factor(smoke) / age),
  design("birthwt", ~ factor(race) + factor(smoke) %in% factor(race)),
  design("birthwt", ~ age %in% (factor(race) + factor(smoke))),
  design("birthwt", ~ factor(smoke) / ns(age, 2)),
  design("birthwt", ~ C(factor(race), sum) / smoke)
)

smooth <- function(k, absorb) {
  s <- mgcv::smoothCon(mgcv::s(lwt, bs = "cr", k = k), birthwt, absorb.cons = absorb)[[1]]
  X <- if (absorb) s$X else mgcv::PredictMat(s, birthwt)
  picked <- seq(1, nrow(birthwt), by = step)
  list(k = k, absorb = absorb, picked = I(picked), train = X[picked, ], new = mgcv::PredictMat(s, new_birthwt))
}
library(mgcv, warn.conflicts = FALSE)
smooths <- list(smooth(4, TRUE), smooth(7, TRUE), smooth(5, FALSE))

fitted_by <- function(data, formula) {
  m <- suppressWarnings(glm(formula, binomial, tables[[data]], control = glm.control(epsilon = 1e-15, maxit = 100)))
  list(data = data, r = deparse1(formula), coef = unname(coef(m)), deviance = deviance(m), loglik = as.numeric(logLik(m)), n = nobs(m))
}
fits <- list(
  fitted_by("birthwt", low ~ ns(age, 3) + scale(lwt) + C(factor(race), sum)),
  fitted_by("birthwt", low ~ poly(age, 2) * smoke + offset(log(lwt)) + offset(ui / 2)),
  fitted_by("holes", low ~ bs(age, 4) + C(factor(race), helmert) + lwt),
  fitted_by("menarche", cbind(Menarche, Total - Menarche) ~ ns(Age, 3)),
  fitted_by("lizards", cbind(grahami, opalinus) ~ C(height, sum) / C(time, poly) + light)
)

versions <- list(R = R.version.string, splines = as.character(packageVersion("splines")),
                 mgcv = as.character(packageVersion("mgcv")), MASS = as.character(packageVersion("MASS")))
write_json(list(versions = versions, step = step, new_birthwt = new_birthwt, designs = designs, smooths = smooths, fits = fits),
           "tests/r/formula.json", digits = NA, auto_unbox = TRUE)
