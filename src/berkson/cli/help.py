"""What the command says of itself."""

from __future__ import annotations

EXIT_CODES = """\
exit codes
  0    done, and the optimum is certified
  1    the fit is not certified, or no finite optimum exists (the report says why; the model is marked)
  2    bad input: one sentence on standard error, and nothing is written
  130  interrupted; 141 the reader of a pipe went away
"""

GRAMMAR = """\
formulas
  y ~ a + b             y explained by columns a and b; text, true/false and categories become levels
  y ~ .                 by all other columns;  y ~ . - id  without one of them
  C(g)                  a column of numbers taken as categories;  C(g, ref="b")  compares with level b;
                        under a penalty nothing does (each level has a coefficient) but with  C(g, treatment)
  a:b    a*b            interaction;  a + b + a:b
  (a + b + c)^2         all of them and their pairs
  0 +    - 1            no intercept
  I(a*b + 2)  log(x)    arithmetic, and log log2 log10 log1p exp expm1 sqrt abs sin cos tan
  `a name`              a column whose name is not a plain word
  successes / trials    on the left: counts;  cbind(successes, failures)  likewise
"""

FILES = """\
files
  CSV or TSV (comma, semicolon or tab; UTF-8; .gz too) whose first line names the columns, or Parquet.
  Empty cells, NA, N/A, NaN, nan, null and NULL are missing; --na adds others, such as --na '?'.
"""

USAGE = f"""\
usage: berkson COMMAND ...

Logistic regression, binary and multinomial, with a proof of the optimum.

commands
  fit FILE FORMULA         fit a model, print it, and save it as JSON
  path FILE FORMULA        fits under many penalties, from the lasso to the ridge
  cv FILE FORMULA          choose a penalty by cross-validation, and save the model
  predict MODEL FILE       predictions of a saved model for new rows, as CSV
  boundary MODEL FILE X Y  draw where a saved model decides, over two columns
  check MODEL FILE         prove (or not) that a saved model is the optimum on these data

examples
  berkson fit births.csv "low ~ age + lwt + C(race) + smoke"
  berkson fit births.csv --target low --event 1 --save all.json
  berkson cv births.csv "low ~ ." --plot cv.html --save lasso.json
  berkson predict births.model.json new.csv --output predictions.csv
  berkson check births.model.json births.csv

Each command has its own --help: berkson fit --help teaches formulas.  berkson --version

{EXIT_CODES}"""

FIT = f"""\
Fit a logistic regression by maximum likelihood (or with a ridge) and certify its optimum.

Two classes: the probability of the event, by default the last level, true, or the larger number.  More classes:
multinomial (softmax).  Rows with a missing value are dropped, and the report says how many and why.

{GRAMMAR}
examples
  berkson fit births.csv "low ~ age + lwt + C(race) + smoke"
  berkson fit titanic.csv "survived ~ sex * age + class" --event yes
  berkson fit menarche.csv "Menarche / Total ~ Age"
  berkson fit housing.csv "Sat ~ Infl + Type" --weights Freq --reference Medium --save housing.json
  berkson fit births.csv "low ~ age + smoke" --robust HC1 --level 0.9

{FILES}
{EXIT_CODES}"""

WEIGHT_KIND = "a weight of w means w rows, w times in the log-likelihood, or w of a population (default: frequency)"

RELAX = "the columns of each fit without the penalty, too; cv chooses among blends of the two"

PREDICT = f"""\
Predict for every row of a table with a saved model; CSV, one line a row, in the order of the table.

Columns are found by name; their order is free and others are ignored.  A row with a missing value gets an empty
prediction, and a note on standard error counts them.  A level that the model has not seen is an error, unless the model
was fitted with another --policy.

examples
  berkson predict births.model.json new.csv
  berkson predict births.model.json new.csv --kind class --output classes.csv

{FILES}
{EXIT_CODES}"""

BOUNDARY = f"""\
Draw where a saved model decides between its classes, over two columns of numbers: probabilities as shades and lines,
the boundary, and the rows of the table.

All other columns of the model stay at one value: numbers at their mean, levels at the most frequent, or as --hold says.

examples
  berkson boundary births.model.json births.csv age lwt --plot boundary.svg
  berkson boundary births.model.json births.csv age lwt --hold race=2 --hold smoke=1 --plot boundary.html

{FILES}
{EXIT_CODES}"""

CHECK = f"""\
Certify a saved model against a table: the coefficients are evaluated on it, nothing is fitted.

A model of berkson cv is judged under its penalty, but for blends (--relax), which are the optimum of nothing.
On the data of the fit this proves the fit again; on other data it tells whether the same coefficients are the optimum
there.  Exit code 0 where the optimum is certified, 1 where it is not.

example
  berkson check births.model.json births.csv

{FILES}
{EXIT_CODES}"""

PENALTY = """\
penalty
  losses / total weight + lambda sum_j (l1_ratio |coef_j| + (1 - l1_ratio) / 2 coef_j^2), as glmnet has it, coefficients
  in units of their columns' standard deviations.  Each level of a factor is a column of its own (one tells two levels
  apart; C(g, treatment) leaves out the reference); --group-terms keeps them together.  --unpenalised names columns of
  the design (C(race)[2]), terms (C(race)) or columns of the table (race).
"""

PATH = f"""\
Fit a logistic regression under a sequence of penalties, from the one that leaves no column to hardly any, and certify
each fit.  The table tells where columns come and go.

{PENALTY}
examples
  berkson path births.csv "low ~ ." --plot path.svg
  berkson path births.csv "low ~ age + lwt + C(race) + smoke" --l1-ratio 0.5 --unpenalised age
  berkson path births.csv "low ~ ." --lambda 0.1 --lambda 0.01 --json

{FILES}
{EXIT_CODES}"""

CV = f"""\
Choose the penalty of a logistic regression by cross-validation: a path, the same penalties without each fold, and how
well these predict the rows that did not train them.  Every fit is certified.  --save keeps the model of the penalty
chosen, for berkson predict.

{PENALTY}
examples
  berkson cv births.csv "low ~ ." --folds 10 --save lasso.json --plot cv.html
  berkson cv births.csv "low ~ . - id" --groups hospital --rule 1se --measure auc
  berkson cv births.csv "low ~ ." --relax --policy own-level --save relaxed.json
  berkson predict lasso.json new.csv

{FILES}
{EXIT_CODES}"""
