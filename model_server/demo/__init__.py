"""A page beside the API: a user's history, what each stage makes of it, and how long it takes.

`examples` reads the ExampleGen's output into the `store`; `pages` answers the page's questions about users and titles
and hands out `static`. Recommendations the page asks the REST API for, as any client does.
"""
