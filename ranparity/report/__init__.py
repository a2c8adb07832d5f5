"""Records to a page: Markdown, HTML, figures. Imports no Keras; `collect` starts what does.

`collect` runs the checks and trainings and gives their records; `render` is a pure function
of those records and of the prototxts.
"""
