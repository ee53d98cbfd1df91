"""DC-MPC: a world model of discrete codes (FSQ) whose actions are planned by MPPI."""
