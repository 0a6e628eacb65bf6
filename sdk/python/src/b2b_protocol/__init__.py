"""The B2B (bot-to-bot) protocol in Python.

Generated messages are in `b2b_protocol.gen.b2b.v1.*_pb`, the clients of the services
in `b2b_protocol.gen.b2b.v1.*_connect`.
"""
