"""The long-lived services of one server, and how a request becomes pictures."""
