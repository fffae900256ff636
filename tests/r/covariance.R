# Robust covariances of logistic regressions, as R 4.2.2 has them.
# Made with R 4.2.2, sandwich 3.0-2, clubSandwich 0.5.8. The factor n / (n - 1) of survey::svyglm is put by hand.
# Run in this directory:  Rscript covariance.R  (writes covariance.json)

suppressMessages({library(sandwich); library(clubSandwich)})
exact <- glm.control(epsilon = 1e-15, maxit = 100)
data <- function(name) read.csv(file.path("..", "data", paste0(name, ".csv")))
plain <- function(V) unname(as.matrix(unclass(V))[seq_len(nrow(V)), seq_len(ncol(V))])
rowwise <- function(fit) {
  all <- lapply(c(HC0 = "HC0", HC1 = "HC1", HC2 = "HC2", HC3 = "HC3"), function(type) plain(vcovHC(fit, type = type)))
  c(all, list(model = plain(vcov(fit, complete = FALSE)), params = unname(coef(fit))))
}
clustered <- function(fit, cluster) list(
  CR0 = plain(vcovCL(fit, cluster = cluster, type = "HC0", cadjust = FALSE)),
  CR1 = plain(vcovCL(fit, cluster = cluster)),
  CR1S = plain(vcovCL(fit, cluster = cluster, type = "HC1")))
adjusted <- function(fit, cluster) c(clustered(fit, cluster), list(
  CR2 = plain(vcovCR(fit, cluster = cluster, type = "CR2")),
  club_CR1 = plain(vcovCR(fit, cluster = cluster, type = "CR1")),
  club_CR1S = plain(vcovCR(fit, cluster = cluster, type = "CR1S"))))

birthwt <- data("birthwt"); birthwt$race <- factor(birthwt$race)
infert <- data("infert")
menarche <- data("menarche")
lizards <- data("lizards")
housing <- data("housing")
for (name in c("height", "diameter", "light", "time")) lizards[[name]] <- factor(lizards[[name]])

low <- glm(low ~ age + lwt + race + smoke, binomial, birthwt, control = exact)
without <- glm(low ~ 0 + lwt + smoke, binomial, birthwt, control = exact)
# with I(2 * age) beside age: the column that glm leaves out (at this epsilon it would not notice: its tolerance is
# epsilon / 1000)
aliased <- glm(low ~ age + lwt, binomial, birthwt, control = exact)
shifted <- glm(low ~ age + smoke + offset(0.01 * lwt), binomial, birthwt, control = exact)
case <- glm(case ~ age + spontaneous + induced, binomial, infert, control = exact)
# precision weights: R's prior weights
birthwt$w <- 1 + birthwt$ftv
weighted <- suppressWarnings(glm(low ~ age + lwt + race, binomial, birthwt, weights = w, control = exact))
counts <- glm(cbind(Menarche, Total - Menarche) ~ Age, binomial, menarche, control = exact)
perches <- glm(cbind(grahami, opalinus) ~ height + diameter + light + time, binomial, lizards, control = exact)
# frequency weights: the expanded table
housing$high <- housing$Sat == "High"
for (name in c("Infl", "Type", "Cont")) housing[[name]] <- factor(housing[[name]], levels = sort(unique(housing[[name]])))
expanded <- housing[rep(seq_len(nrow(housing)), housing$Freq), ]
many <- glm(high ~ Infl + Type + Cont, binomial, expanded, control = exact)
survey <- (nrow(birthwt) / (nrow(birthwt) - 1)) * vcovHC(weighted, type = "HC0")

results <- list(
  versions = list(R = paste(R.version$major, R.version$minor, sep = "."), sandwich = as.character(packageVersion("sandwich")),
                  clubSandwich = as.character(packageVersion("clubSandwich"))),
  birthwt = rowwise(low), without_intercept = rowwise(without), aliased = rowwise(aliased), offset = rowwise(shifted),
  precision = rowwise(weighted), menarche = rowwise(counts), lizards = rowwise(perches), frequency = rowwise(many),
  sampling = plain(survey),
  infert_stratum = adjusted(case, infert$stratum), infert_education = adjusted(case, infert$education),
  birthwt_age = adjusted(low, birthwt$age), precision_age = adjusted(weighted, birthwt$age),
  lizards_time = adjusted(perches, lizards$time),
  frequency_type = adjusted(many, expanded$Type),
  two_way = clustered(low, birthwt[, c("age", "lwt")]),
  two_way_weights = clustered(weighted, birthwt[, c("age", "lwt")]),
  two_way_fixed = plain(vcovCL(low, cluster = birthwt[, c("ftv", "ptl")], fix = TRUE)))
jsonlite::write_json(results, "covariance.json", digits = NA, auto_unbox = TRUE)
