# R's glm on the data in a directory, timed from within.
#
#   Rscript r_glm.R DIRECTORY ROWS COLUMNS LONG
#
# X.f64 (column by column) and y.f64 hold float64.  The first fit is not counted; medians are of three runs or more, of
# one where a run takes more than LONG seconds.  Printed, a line each: seconds of the fit, of fit and summary, of both
# and the summary's text; what they add to resident memory at most, in bytes; then estimate and standard error of each
# parameter.

arguments <- commandArgs(trailingOnly = TRUE)
directory <- arguments[1]
n <- as.numeric(arguments[2])
p <- as.numeric(arguments[3])
long <- as.numeric(arguments[4])
X <- readBin(file.path(directory, "X.f64"), "double", n * p)
dim(X) <- c(n, p)
y <- readBin(file.path(directory, "y.f64"), "double", n)

fit <- function() glm(y ~ X, family = binomial())
summarised <- function() summary(fit())
printed <- function() capture.output(print(summarised()))

clock <- function(work) {
  began <- Sys.time()
  work()
  as.numeric(difftime(Sys.time(), began, units = "secs"))
}
typical <- function(work) {
  first <- clock(work)
  if (first > long) return(first)
  more <- min(101, max(3, as.integer(0.3 / first)))
  median(replicate(more, clock(work)))
}
resident <- function(field) {
  lines <- readLines("/proc/self/status")
  as.numeric(gsub("[^0-9]", "", lines[startsWith(lines, paste0(field, ":"))])) * 1024
}

invisible(gc())
writeLines("5", "/proc/self/clear_refs") # resets the high-water mark of resident memory
before <- resident("VmRSS")
table <- summarised()$coefficients # the uncounted fit
extra <- max(0, resident("VmHWM") - before)
for (work in list(fit, summarised, printed)) cat(sprintf("%.17g\n", typical(work)))
cat(sprintf("%.0f\n", extra))
cat(sprintf("%.17g %.17g\n", table[, 1], table[, 2]), sep = "")
