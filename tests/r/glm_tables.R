# What summary.glm, confint.default and broom say of the data sets in tests/data, for tests/test_logit.py.
# R 4.2.2 with broom 1.0.3, brglm2 0.9, sandwich 3.0.2, jsonlite 1.8.4; run in tests/r:  Rscript glm_tables.R
suppressMessages({
  library(broom)
  library(brglm2)
})

exact <- glm.control(epsilon = 1e-15, maxit = 100)
read <- function(name) read.csv(file.path("..", "data", name), stringsAsFactors = TRUE)
births <- read("birthwt.csv")
births$race <- factor(births$race)
births$w <- 1 + births$age %% 3
menarche <- read("menarche.csv")
infert <- read("infert.csv")
titanic <- read("titanic_passengers.csv")
women <- read("womenlf.csv")
housing <- read("housing.csv")
few <- data.frame(case = c(0, 0, 1, 0, 1, 1), dose = 1:6)

# R's covariance is that of the iterate before the last: once more from the optimum, which is exact then.
tables <- function(model) {
  model <- update(model, start = coef(model))
  list(
    coefficients = unname(summary(model)$coefficients), # estimate, standard error, z, p
    vcov = unname(vcov(model)),
    confint = unname(confint.default(model)),
    confint90 = unname(confint.default(model, level = 0.9)),
    tidy = as.list(tidy(model, conf.int = FALSE)),
    glance = as.list(glance(model)),
    augment = as.list(head(augment(model)[c(".fitted", ".resid", ".hat", ".sigma", ".cooksd", ".std.resid")], 40))
  )
}

binomials <- list(
  births = glm(low ~ age + lwt + race + smoke, binomial, births, control = exact),
  weights = glm(low ~ age + race, binomial, births, weights = w, control = exact),
  offset = glm(low ~ age + smoke, binomial, births, offset = lwt / 100, control = exact),
  `no intercept` = glm(low ~ 0 + age + race, binomial, births, control = exact),
  menarche = glm(cbind(Menarche, Total - Menarche) ~ Age, binomial, menarche, control = exact),
  shares = glm(Menarche / Total ~ Age, binomial, menarche, weights = Total, control = exact),
  infert = glm(case ~ education * spontaneous + log(age), binomial, infert, control = exact),
  titanic = glm(survived ~ sex * age + passengerClass, binomial, titanic, control = exact),
  few = glm(case ~ dose, binomial, few, control = exact)
)

# brmultinom(type = "ML") reaches the optimum that nnet::multinom stops short of.
multinomial <- function(model) {
  list(
    estimate = unname(t(coef(model))), # columns x classes
    std_error = unname(t(matrix(sqrt(diag(vcov(model))), nrow(coef(model)), byrow = TRUE))),
    logLik = as.numeric(logLik(model)),
    names = colnames(coef(model)), classes = rownames(coef(model))
  )
}
ml <- list(type = "ML", epsilon = 1e-12, maxit = 1000)
multinomials <- list(
  women = multinomial(brmultinom(partic ~ hincome + children, data = women, control = ml)),
  `women, not.work` = multinomial(brmultinom(partic ~ hincome + children, data = women, ref = "not.work", control = ml)),
  housing = multinomial(brmultinom(Sat ~ Infl + Type, data = housing, weights = Freq, control = ml))
)

robust <- sandwich::vcovHC(binomials$few, "HC0")
examples <- list(
  hc0 = unname(robust),
  hc1 = sqrt(sandwich::vcovHC(binomials$few, "HC1")[2, 2]),
  predict = unname(predict(binomials$few, data.frame(dose = c(2, 5)), type = "response")),
  lr = drop1(binomials$few, test = "LRT")[2, "Pr(>Chi)"],
  effect = mean(binomials$few$fitted.values * (1 - binomials$few$fitted.values)) * coef(binomials$few)[[2]]
)
jsonlite::write_json(
  list(binomials = lapply(binomials, tables), multinomials = multinomials, examples = examples),
  "glm_tables.json", digits = NA, auto_unbox = TRUE
)
