"""TD-MPC2: a decoder-free world model whose actions are planned by MPPI."""
