# Analyses of data sets that ship with R, from coefficients to tests of terms, for tests/test_classics.py.
# R 4.2.2 with MASS 7.3-58.2, car 3.1-1, sandwich 3.0-2, clubSandwich 0.5.8; run in tests/r:  Rscript classics.R
suppressMessages({library(MASS); library(splines); library(car); library(sandwich); library(clubSandwich)})

exact <- glm.control(epsilon = 1e-15, maxit = 100)
coarse <- glm.control(epsilon = 1e-10, maxit = 100) # glm finds aliased columns to epsilon / 1000
quiet <- function(expression) suppressMessages(suppressWarnings(expression))
number <- function(x) unname(as.numeric(x))
std_error <- function(v) number(sqrt(diag(as.matrix(v))))
SHOWN <- 12 # rows of what is said of each row

table_of <- function(test, statistic) {
  kept <- !(rownames(test) %in% c("NULL", "<none>", "(Intercept)", "Residuals"))
  list(term = rownames(test)[kept], statistic = number(test[[statistic]][kept]), df = number(test$Df[kept]))
}

tests_of <- function(fit) {
  aliased <- anyNA(coef(fit))
  found <- list(
    II_lr = table_of(Anova(fit, type = 2, test.statistic = "LR"), "LR Chisq"),
    I_lr = table_of(anova(fit, test = "LRT"), "Deviance"),
    drop1_lr = table_of(drop1(fit, test = "LRT"), "LRT"),
    drop1_score = table_of(drop1(fit, test = "Rao"), "Rao score")
  )
  if (!aliased) { # car refuses them, and scores are too far from those of the optimum with the coarse epsilon
    found$I_score <- table_of(anova(fit, test = "Rao"), "Rao")
    found$II_wald <- table_of(Anova(fit, type = 2, test.statistic = "Wald"), "Chisq")
    found$III_lr <- table_of(Anova(fit, type = 3, test.statistic = "LR"), "LR Chisq")
    found$III_wald <- table_of(Anova(fit, type = 3, test.statistic = "Wald"), "Chisq")
    found$vif <- number(as.matrix(vif(fit))[, 1])
  }
  found
}

said_of <- function(fit, cluster = NULL) {
  tests <- quiet(tests_of(fit))
  fit <- quiet(update(fit, start = ifelse(is.na(coef(fit)), 0, coef(fit)))) # covariances of the optimum itself
  rows <- seq_len(SHOWN)
  found <- list(
    names = names(coef(fit)), params = number(coef(fit)), bse = number(summary(fit)$coefficients[, 2]),
    deviance = deviance(fit), null_deviance = fit$null.deviance, llf = number(logLik(fit)), aic = AIC(fit), bic = BIC(fit),
    df_resid = fit$df.residual, nobs = nobs(fit),
    HC = lapply(c(HC0 = "HC0", HC1 = "HC1", HC2 = "HC2", HC3 = "HC3"), function(type) std_error(vcovHC(fit, type))),
    residuals = list(
      deviance = number(na.omit(residuals(fit))[rows]), pearson = number(na.omit(residuals(fit, "pearson"))[rows]),
      working = number(na.omit(residuals(fit, "working"))[rows]),
      standardised_deviance = number(rstandard(fit)[rows]),
      standardised_pearson = number(rstandard(fit, type = "pearson")[rows]), studentised = number(rstudent(fit)[rows])
    ),
    leverage = number(hatvalues(fit)[rows]), cooks_distance = number(cooks.distance(fit)[rows]),
    dffits = number(quiet(dffits(fit))[rows]),
    tests = tests
  )
  if (!is.null(cluster)) {
    found$clustered <- c(
      list(vcovCL = std_error(vcovCL(fit, cluster))),
      lapply(c(CR0 = "CR0", CR1S = "CR1S", CR2 = "CR2"), function(type) std_error(vcovCR(fit, cluster, type = type)))
    )
    if (anyNA(coef(fit))) found$clustered$vcovCL <- NULL # sandwich does not know what to leave out
  }
  found
}

read <- function(name) read.csv(file.path("..", "data", name), stringsAsFactors = TRUE)
esoph <- read("esoph.csv")
for (name in c("agegp", "alcgp", "tobgp")) {
  levels <- as.character(unique(esoph[[name]])) # they come in order
  if (name == "tobgp") levels <- c("0-9g/day", "10-19", "20-29", "30+")
  esoph[[name]] <- factor(esoph[[name]], levels, ordered = TRUE)
}
warpbreaks <- read("warpbreaks.csv")
warpbreaks$high <- warpbreaks$breaks > 26
warpbreaks$tension <- factor(warpbreaks$tension, c("L", "M", "H"))
titanic <- subset(read("titanic.csv"), Freq > 0)
bacteria <- read("bacteria.csv")
bacteria$trt <- factor(bacteria$trt, c("placebo", "drug", "drug+"))
pima <- read("pima.csv")

found <- list(
  polynomials = said_of(glm(cbind(ncases, ncontrols) ~ agegp + tobgp + alcgp, binomial, esoph, control = exact)),
  shares = said_of(glm(ncases / (ncases + ncontrols) ~ agegp + alcgp, binomial, esoph, ncases + ncontrols, control = exact)),
  contrasts = said_of(glm(high ~ wool * tension, binomial, warpbreaks, control = exact,
                          contrasts = list(wool = "contr.sum", tension = "contr.helmert"))),
  nested = said_of(glm(high ~ wool / tension, binomial, warpbreaks, control = exact)),
  weights = said_of(glm(Survived ~ Class + Sex * Age, binomial, titanic, Freq, control = exact)),
  aliased = said_of(glm(y ~ trt * week + ap, binomial, bacteria, control = coarse), bacteria$ID),
  clusters = said_of(glm(y ~ trt * log1p(week), binomial, bacteria, control = exact), bacteria$ID),
  splines = said_of(glm(type ~ npreg + ns(glu, 3) + bmi * ped + log(skin), binomial, pima, control = exact))
)

# Separated data: deviances tend to limits, and with them likelihood-ratio tests (to about epsilon of the deviance).
far <- glm.control(epsilon = 1e-14, maxit = 200)
children <- quiet(glm(Survived ~ Class * Sex + Age * Class, binomial, titanic, Freq, control = coarse))
endometrial <- read("endometrial.csv")
deviance_of <- function(formula) deviance(quiet(glm(formula, binomial, endometrial, control = far)))
whole <- deviance_of(HG ~ NV + PI + EH)
separated <- list(
  deviance = deviance(children),
  tests = list(
    II_lr = table_of(quiet(Anova(children)), "LR Chisq"),
    I_lr = table_of(quiet(anova(children, test = "LRT")), "Deviance"),
    drop1_lr = table_of(quiet(drop1(children, test = "LRT")), "LRT")
  ),
  hypotheses = list(
    "NV = 0" = deviance_of(HG ~ PI + EH) - whole,
    "NV = 0, PI = 0" = deviance_of(HG ~ EH) - whole,
    "NV = 2" = deviance_of(HG ~ offset(2 * NV) + PI + EH) - whole,
    "NV = 1 + EH" = deviance_of(HG ~ offset(NV) + PI + I(EH + NV)) - whole
  )
)
jsonlite::write_json(list(fits = found, separated = separated), "classics.json", digits = NA, auto_unbox = TRUE, na = "null")
