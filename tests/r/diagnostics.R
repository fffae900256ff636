# Numbers for tests/test_diagnostics.py and tests/test_goodness.py.
# Run in the repository: Rscript tests/r/diagnostics.R      (writes tests/r/diagnostics.json)
# Made with R 4.2.2, car 3.1-1, rms 6.5-0, pROC 1.18.0, brglm2 0.9, boot 1.3-28.1, jsonlite 1.8.4.
suppressMessages({library(car); library(rms); library(pROC); library(brglm2); library(boot); library(jsonlite)})

exact <- glm.control(epsilon = 1e-15, maxit = 100)
# once more from the optimum: the QR decomposition that influence() uses is that of the weights one step before the end
polished <- function(m) update(m, start = coef(m))
data <- function(name) read.csv(file.path("tests/data", name), stringsAsFactors = TRUE)
birthwt <- data("birthwt.csv"); birthwt$race <- factor(birthwt$race); birthwt$w <- birthwt$ftv + 0.5
birthwt$count <- birthwt$ftv + 1
menarche <- data("menarche.csv"); lizards <- data("lizards.csv"); infert <- data("infert.csv"); womenlf <- data("womenlf.csv")
lizards$height <- factor(lizards$height, levels = c("<5ft", ">=5ft"))

fits <- list(
  birthwt = glm(low ~ age + lwt + race + smoke, binomial, birthwt, control = exact),
  no_intercept = glm(low ~ 0 + lwt + smoke + ht, binomial, birthwt, control = exact),
  precision = suppressWarnings(glm(low ~ age + lwt + race + smoke, binomial, birthwt, weights = w, control = exact)),
  infert = glm(case ~ spontaneous + induced + age + education, binomial, infert, control = exact),
  menarche = glm(cbind(Menarche, Total - Menarche) ~ Age, binomial, menarche, control = exact),
  lizards = glm(cbind(grahami, opalinus) ~ height + diameter + light + time, binomial, lizards, control = exact))
fits <- lapply(fits, function(m) suppressWarnings(polished(m)))

rows <- function(m) {
  i <- influence(m)
  list(response = resid(m, "response"), working = resid(m, "working"), pearson = resid(m, "pearson"),
       deviance = resid(m, "deviance"), standardised_pearson = rstandard(m, type = "pearson"),
       standardised_deviance = rstandard(m), studentised = rstudent(m), leverage = hatvalues(m),
       cooks_distance = cooks.distance(m), dffits = dffits(m), sigma = i$sigma,
       dfbeta = if (nrow(m$model) < 50) unname(dfbeta(m)), dfbetas = if (any(m$prior.weights != 1)) unname(dfbetas(m)))
}
plain <- function(l) lapply(l, function(x) if (is.matrix(x)) x else unname(x))

goodness <- function(m) {
  list(log_likelihood = c(logLik(m)), deviance = deviance(m), null_deviance = m$null.deviance, aic = AIC(m),
       bic = BIC(m), df_residual = df.residual(m), pearson = sum(resid(m, "pearson")^2),
       lr = m$null.deviance - deviance(m), lr_p = pchisq(m$null.deviance - deviance(m), m$df.null - df.residual(m), lower.tail = FALSE))
}

# ResourceSelection::hoslem.test, whose degrees of freedom are g - 2 even where quantiles coincide; here the groups' - 2
hoslem <- function(y, p, g) {
  q <- unique(quantile(p, probs = seq(0, 1, 1 / g)))
  cell <- cut(p, breaks = q, include.lowest = TRUE)
  o <- xtabs(cbind(1 - y, y) ~ cell); e <- xtabs(cbind(1 - p, p) ~ cell)
  x <- sum((o - e)^2 / e)
  list(statistic = x, df = nlevels(cell) - 2, p_value = pchisq(x, nlevels(cell) - 2, lower.tail = FALSE),
       observed = unname(c(o[, 2])), expected = unname(c(e[, 2])), n = as.vector(table(cell)))
}
# generalhoslem::logitgof for classes (Fagerland, Hosmer & Bofin 2008)
hoslem_classes <- function(y, P, g) {
  s <- 1 - P[, 1]; q <- unique(quantile(s, probs = seq(0, 1, 1 / g)))
  cell <- cut(s, breaks = q, include.lowest = TRUE)
  o <- rowsum(sapply(levels(y), function(k) as.numeric(y == k)), as.integer(cell)); e <- rowsum(P, as.integer(cell))
  x <- sum((o - e)^2 / e); df <- (nlevels(cell) - 2) * (nlevels(y) - 1)
  list(statistic = x, df = df, p_value = pchisq(x, df, lower.tail = FALSE))
}

m <- fits$birthwt; y <- birthwt$low; p <- fitted(m)
bernoulli <- lrm(low ~ age + lwt + race + smoke, birthwt, x = TRUE, y = TRUE, eps = 1e-14, maxit = 100)
weighted <- birthwt[rep(seq_len(nrow(birthwt)), birthwt$count), ]
expanded <- lrm(low ~ age + lwt + race + smoke, weighted, x = TRUE, y = TRUE, eps = 1e-14, maxit = 100)
somers <- function(p, y) unname(somers2(p, y)["C"])
smaller <- glm(low ~ lwt, binomial, birthwt, control = exact)
r1 <- roc(y, p, direction = "<", quiet = TRUE); r2 <- roc(y, fitted(smaller), direction = "<", quiet = TRUE)
re <- roc(weighted$low, predict(m, weighted, type = "response"), direction = "<", quiet = TRUE)
compared <- roc.test(r1, r2, method = "delong", paired = TRUE)
best <- coords(r1, "best", best.method = "youden", ret = c("threshold", "sensitivity", "specificity", "ppv", "npv", "accuracy"))
at <- coords(r1, c(0.2, 0.5), input = "threshold", ret = c("sensitivity", "specificity", "ppv", "npv", "accuracy"))

first <- glm(low ~ age + lwt + race + smoke, binomial, birthwt, subset = seq_len(189) %% 2 == 1, control = exact)
rest <- birthwt[seq_len(189) %% 2 == 0, ]; lp <- predict(first, rest)
recalibrated <- glm(rest$low ~ lp, family = binomial, control = exact)
large <- glm(rest$low ~ offset(lp), family = binomial, control = exact)
v <- val.prob(plogis(lp), rest$low, pl = FALSE)

# rounded, so that equal rows have equal probabilities
multi <- brmultinom(partic ~ hincome + children, womenlf, type = "ML", ref = "fulltime", epsilon = 1e-11, maxit = 1000)
P <- signif(fitted(multi), 11); K <- levels(womenlf$partic)
each <- lapply(K, function(k) { r <- roc(womenlf$partic == k, P[, k], direction = "<", quiet = TRUE)
  list(area = c(auc(r)), std_error = sqrt(var(r)), ci = c(ci.auc(r))) })

set.seed(1)
t <- cbind(rgamma(499, 4) / 4); L <- rgamma(60, 2) - 2
L <- L - mean(L)
b <- list(t0 = 0.95, t = t, R = 499, call = quote(boot(sim = "ordinary")), sim = "ordinary", stype = "i", strata = rep(1, 60),
          weights = rep(1/60, 60), data = 1:60, statistic = function(d, i) mean(i))
class(b) <- "boot"
ci <- boot.ci(b, conf = 0.9, type = c("perc", "basic", "bca"), L = L)

set.seed(2)
drawn <- sapply(1:5, function(b) tabulate(sample(189, replace = TRUE), 189))
resampled <- lapply(1:5, function(b) {
  n <- drawn[, b]
  f <- suppressWarnings(glm(low ~ age + lwt + race + smoke, binomial, birthwt, weights = n, control = exact))
  lp <- unname(predict(f, birthwt)); each <- rep(1:189, n)
  judge <- function(x, y) { r <- lrm.fit(x, y, tol = 1e-13, eps = 1e-14, maxit = 100)
    list(c = somers(plogis(x), y), brier = mean((y - plogis(x))^2), nagelkerke = unname(r$stats["R2"]),
         intercept = unname(coef(r)[1]), slope = unname(coef(r)[2])) }
  list(coef = unname(coef(f)), training = judge(lp[each], y[each]), test = judge(lp, y))
})

out <- list(
  rows = lapply(fits[-4], function(m) plain(rows(m))), goodness = lapply(fits, goodness),
  vif = list(birthwt = unname(car::vif(fits$birthwt)), lizards = unname(car::vif(fits$lizards)), infert = unname(car::vif(fits$infert))),
  multinomial = list(probability = unname(P), hoslem = hoslem_classes(womenlf$partic, P, 10), auc = each,
                     hand_till = c(multiclass.roc(womenlf$partic, P, quiet = TRUE)$auc)),
  lrm = list(stats = as.list(bernoulli$stats), gof = as.list(resid(bernoulli, "gof")), c = somers(p, y)),
  lrm_expanded = list(stats = as.list(expanded$stats), gof = as.list(resid(expanded, "gof")),
                      c = somers(plogis(predict(expanded)), weighted$low),
                      hoslem = hoslem(weighted$low, unname(plogis(predict(expanded))), 10)),
  hoslem = list(ten = hoslem(y, p, 10), five = hoslem(y, p, 5),
                ties = hoslem(y, fitted(glm(low ~ race + smoke, binomial, birthwt, control = exact)), 10)),
  auc = list(area = c(auc(r1)), variance = var(r1), ci = c(ci.auc(r1)), ci90 = c(ci.auc(r1, conf.level = 0.9)),
             sensitivity = rev(r1$sensitivities), specificity = rev(r1$specificities),
             expanded = list(area = c(auc(re)), variance = var(re)), best = as.list(best), at = at),
  comparison = list(second = c(auc(r2)), z = unname(compared$statistic), p_value = compared$p.value),
  calibration = list(train_coef = unname(coef(first)), slope = unname(coef(recalibrated)[2]), intercept = unname(coef(recalibrated)[1]),
                     slope_se = sqrt(vcov(recalibrated)[2, 2]), intercept_se = sqrt(vcov(recalibrated)[1, 1]),
                     large = unname(coef(large)), large_se = sqrt(vcov(large)[1, 1]),
                     spiegelhalter_z = unname(v["S:z"]), brier = unname(v["Brier"])),
  resampled = list(drawn = drawn, fits = resampled),
  boot = list(t = c(t), L = L, percentile = ci$percent[4:5], basic = ci$basic[4:5], bca = ci$bca[4:5]))
write_json(out, "tests/r/diagnostics.json", digits = NA, auto_unbox = TRUE)
