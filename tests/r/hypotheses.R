# Tests of hypotheses, terms and nested models, as R 4.2.2 has them.
# Made with R 4.2.2, car 3.1-1, lmtest 0.9-40, sandwich 3.0-2, brglm2 0.9.
# Run in this directory:  Rscript hypotheses.R  (writes hypotheses.json)

suppressMessages({library(car); library(lmtest); library(sandwich); library(brglm2)})
exact <- glm.control(epsilon = 1e-15, maxit = 100)
data <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
fit <- function(formula, data, ...) eval(substitute(glm(formula, binomial, data, control = exact, ...)))

# The score test of the columns `larger` of a fit's matrix beyond `smaller`.  anova(test = "Rao") and drop1 do the same,
# but with the weights of the iteration before the last, so they agree to 6 to 12 digits only; and drop1 takes a mean off
# the residuals where the model has no intercept.
rao <- function(fit, smaller, larger) {
  X <- model.matrix(fit); y <- fit$y; wt <- fit$prior.weights
  z <- suppressWarnings(glm.fit(X[, smaller, drop = FALSE], y, wt, family = binomial(), control = exact,
                                offset = fit$offset))
  mu <- z$fitted.values; Z <- X[, larger, drop = FALSE]
  g <- crossprod(Z, wt * (y - mu))
  drop(crossprod(g, solve(crossprod(Z, wt * mu * (1 - mu) * Z), g)))
}
table3 <- function(stat, df) list(statistic = stat, df = df, p = pchisq(stat, df, lower.tail = FALSE))
of_anova <- function(a) table3(a[["LR Chisq"]], a[["Df"]])
of_wald <- function(a) { a <- a[rownames(a) != "(Intercept)", ]; table3(a[["Chisq"]], a[["Df"]]) }
of_drop <- function(fit) {
  a <- drop1(fit, test = "LRT")[-1, ]
  c(table3(a[["LRT"]], a[["Df"]]), list(terms = rownames(a)))
}
drop_score <- function(fit) {
  asgn <- attr(model.matrix(fit), "assign")
  number <- match(rownames(drop1(fit))[-1], attr(terms(fit), "term.labels"))
  table3(sapply(number, function(i) rao(fit, asgn != i, asgn >= 0)), sapply(number, function(i) sum(asgn == i)))
}
of_sequence <- function(fit) { a <- anova(fit, test = "LRT")[-1, ]; table3(a[["Deviance"]], a[["Df"]]) }
sequence_score <- function(fit) {
  asgn <- attr(model.matrix(fit), "assign"); number <- seq_len(max(asgn))
  table3(sapply(number, function(i) rao(fit, asgn < i, asgn <= i)), sapply(number, function(i) sum(asgn == i)))
}
linear <- function(fit, text, ...) { h <- linearHypothesis(fit, text, test = "Chisq", ...); table3(h$Chisq[2], h$Df[2]) }
lr <- function(small, large) table3(small$deviance - large$deviance, small$df.residual - large$df.residual)
tables <- function(fit) list(
  drop1_lr = of_drop(fit), drop1_score = drop_score(fit), I_lr = of_sequence(fit), I_score = sequence_score(fit),
  II_lr = of_anova(Anova(fit, type = "II")), III_lr = of_anova(Anova(fit, type = "III")),
  II_wald = of_wald(Anova(fit, type = "II", test.statistic = "Wald")),
  III_wald = of_wald(Anova(fit, type = "III", test.statistic = "Wald")))

birthwt <- data("birthwt"); birthwt$race <- factor(birthwt$race)
birthwt$w <- 1 + birthwt$ftv
menarche <- data("menarche")
lizards <- data("lizards")
for (name in c("height", "diameter", "light", "time")) lizards[[name]] <- factor(lizards[[name]])
women <- data("womenlf")
women$partic <- factor(women$partic); women$children <- factor(women$children); women$region <- factor(women$region)

low <- fit(low ~ age + lwt + race + smoke, birthwt)
H <- list(
  ratio = linear(low, "age = 2*lwt"), both = linear(low, c("race2 = 0", "race3 = 0")),
  joint = linear(low, c("age = 0", "smoke = 1")), shifted = linear(low, "age - 2*lwt + 0.1 = 0"),
  ratio_HC1 = linear(low, "age = 2*lwt", vcov. = vcovHC(low, "HC1")),
  both_HC3 = linear(low, c("race2", "race3"), vcov. = vcovHC(low, "HC3")),
  both_cluster = linear(low, c("race2", "race3"), vcov. = vcovCL(low, cluster = birthwt$age)))
H$race_lr <- lr(fit(low ~ age + lwt + smoke, birthwt), low)
H$race_score <- table3(rao(low, c(1, 2, 3, 6), 1:6), 2)
# age = 2 lwt, as the column 2 age + lwt; smoke = 1, as an offset
H$ratio_lr <- lr(fit(low ~ I(2 * age + lwt) + race + smoke, birthwt), low)
along <- fit(low ~ I(2 * age + lwt) + lwt + race + smoke, birthwt)
H$ratio_score <- table3(rao(along, c(1, 2, 4, 5, 6), 1:6), 1)
H$joint_lr <- lr(fit(low ~ lwt + race, birthwt, offset = smoke), low)
shifted <- fit(low ~ age + lwt + race + smoke, birthwt, offset = smoke)
H$joint_score <- table3(rao(shifted, c(1, 3, 4, 5), 1:6), 2)

crossed <- fit(low ~ age * smoke + lwt * smoke + race + age:lwt, birthwt)
weighted <- suppressWarnings(fit(low ~ age + race * smoke, birthwt, weights = w))
without <- fit(low ~ 0 + race + lwt + age:lwt, birthwt)
perches <- fit(cbind(grahami, opalinus) ~ height * diameter + light + time, lizards)
counts <- fit(cbind(Menarche, Total - Menarche) ~ poly(Age, 2, raw = TRUE), menarche)

# multinomial fits by maximum likelihood to 1e-13 of a standard error
many <- function(formula) brmultinom(formula, data = women, ref = "fulltime", type = "ML", epsilon = 1e-13, maxit = 1000)
value <- function(m) {
  P <- fitted(m); y <- as.integer(factor(women$partic, levels = colnames(P)))
  sum(log(P[cbind(seq_along(y), y)]))
}
whole <- many(partic ~ hincome + children + region)
versus <- function(formula, df, larger = whole) table3(2 * (value(larger) - value(many(formula))), df)
three <- list(
  hincome = versus(partic ~ children + region, 2), children = versus(partic ~ hincome + region, 2),
  region = versus(partic ~ hincome + children, 8),
  I_hincome = versus(partic ~ 1, 2, many(partic ~ hincome)),
  I_children = versus(partic ~ hincome, 2, many(partic ~ hincome + children)))

R_score <- anova(low, test = "Rao")[["Rao"]][-1]
nested <- list(lr = lr(fit(low ~ age + smoke, birthwt), low),
               lrtest = { a <- lrtest(fit(low ~ age + smoke, birthwt), low); table3(a$Chisq[2], a$Df[2]) },
               waldtest = { a <- waldtest(low, "race", test = "Chisq"); table3(a$Chisq[2], abs(a$Df[2])) })

jsonlite::write_json(list(
  versions = list(R = paste(R.version$major, R.version$minor, sep = "."), car = as.character(packageVersion("car")),
                  lmtest = as.character(packageVersion("lmtest")), brglm2 = as.character(packageVersion("brglm2"))),
  linear = H, birthwt = tables(low), crossed = tables(crossed), precision = tables(weighted),
  without_intercept = tables(without), lizards = tables(perches), menarche = tables(counts), three = three,
  birthwt_anova_score = R_score, nested = nested), "hypotheses.json", digits = NA, auto_unbox = TRUE)
