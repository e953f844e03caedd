"""How notebooks are executed: kernels, warm and stock, budgets, inputs, progress, nbval."""
