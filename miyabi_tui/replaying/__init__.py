"""Playing an old run again, from its journal alone: `miyabi replay`.

`tape` reads the journal in pieces, `survey` folds it once and finds its marks, `player` knows where
it stands, `control` is what a screen sees: a `Control` that plays instead of racing.
"""
