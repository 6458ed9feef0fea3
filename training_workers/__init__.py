"""How the machine follows: jobs, training, composing, evaluating, serving."""
