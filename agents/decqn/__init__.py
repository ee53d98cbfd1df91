"""DecQN: double DQN, decoupled over action dimensions. The worked example of docs/write_an_agent.md."""
