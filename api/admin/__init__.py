"""The pages of administrators at /admin: HTML for people who run challenges and look after members.

Who is signed in works in one program, as itself (`AdminSession.actor`), through the same functions as the API.
"""
