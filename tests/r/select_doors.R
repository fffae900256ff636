# Numbers of glmnet for tests/test_select_doors.py: a path of a formula with a factor and free columns, the
# cross-validation of folds given by a column, and predictions.  R 4.2.2, glmnet 4.1-6; thresh so that fits are optima.
# Run in the root of the project: Rscript tests/r/select_doors.R
suppressMessages(library(glmnet))

births <- read.csv("tests/data/birthwt.csv")
births$race <- factor(births$race)
births$fold <- (seq_len(nrow(births)) - 1) %% 5 + 1
x <- model.matrix(low ~ age + lwt + race + smoke + ht, births)[, -1]
lambda <- c(0.08, 0.04, 0.02, 0.01, 0.005)

free <- ifelse(colnames(x) %in% c("race2", "race3", "age"), 0, 1)
tight <- function(...) glmnet(x, births$low, family = "binomial", lambda = lambda, thresh = 1e-22, maxit = 1e9, ...)
some <- tight(penalty.factor = free, weights = 1 + births$ptl)

cv <- cv.glmnet(x, births$low, family = "binomial", lambda = lambda, foldid = births$fold, type.measure = "deviance",
                thresh = 1e-22, maxit = 1e9)
auc <- cv.glmnet(x, births$low, family = "binomial", lambda = lambda, foldid = births$fold, type.measure = "auc",
                 thresh = 1e-22, maxit = 1e9)
net <- tight(alpha = 0.5)

jsonlite::write_json(list(
  lambda = lambda,
  free = list(coef = as.matrix(coef(some)), names = rownames(coef(some)), deviance_ratio = some$dev.ratio, df = some$df),
  cv = list(mean = cv$cvm, se = cv$cvsd, min = cv$lambda.min, one_se = cv$lambda.1se,
            at_1se = as.vector(coef(cv, s = "lambda.1se"))),
  auc = list(mean = auc$cvm, se = auc$cvsd),
  net = list(link = as.vector(predict(net, x[1:5, ], s = 0.02)),
             response = as.vector(predict(net, x[1:5, ], s = 0.02, type = "response")))
), "tests/r/select_doors.json", digits = NA, auto_unbox = TRUE)
