"""Does an endpoint keep the promises of the OpenAI API? `app.main` takes Options, prints a report, gives an exit code.

Knows nothing of mlxtui: any server is checked from outside, through the official client. Importing
this package loads none of it, for pytest looks in here at every start.
"""
