"""The engine: a race as events, with nothing of a screen in it.

`engine.Engine` runs a `request.RunRequest`; `control` is what a front end may ask of it; `events`
and `state` are what it tells. They are imported from there, so that each costs only what it needs.
"""
