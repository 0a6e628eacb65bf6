"""The B2B (bot-to-bot) protocol in Python.

`b2b_protocol.gen.b2b.v1.*_pb` has the generated messages,
`b2b_protocol.gen.b2b.v1.*_connect` the clients of the services.
"""
