"""`quietline demo`: one real call through the product as installed, asked and measured from outside.

`scene.py` puts up the product, a customer and an agent in network namespaces of their own; `story.py` is the call;
`evidence.py` looks afterwards at what was left behind; `tell.py` prints it.
"""
