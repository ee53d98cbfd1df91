"""Configuration of Simulus. Values are those of the published Atari runs unless a comment says otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.agents.api import AgentConfig, Collection


@dataclass(frozen=True)
class SimulusConfig(AgentConfig):
    collection: Collection = field(default_factory=Collection)

    # Tokenizer of images
    codes: int = 512  # vectors in the codebook, each of `width` numbers
    tokenizer_width: int = 64  # channels after the first convolution; they double three times
    tokenizer_batch: int = 128  # frames per update
    tokenizer_rate: float = 1e-4  # learning rate
    tokenizer_decay: float = 0.01  # weight decay
    tokenizer_clip: float = 10.0  # largest gradient norm

    # World model
    layers: int = 10  # of the retention trunk
    heads: int = 4  # of every layer
    width: int = 256  # d: of the trunk, of every token's embedding
    embedding_scale: float = 1.0  # what the first embeddings of numbers' levels are multiplied by
    dropout: float = 0.1  # of the trunk
    memory_min: float = 4.0  # decisions: the span over which the quickest head forgets
    memory_max: float = 16.0  # decisions: the slowest head's
    members: int = 4  # of the ensemble whose disagreement is the intrinsic reward
    context: int = 2  # observations that imagination starts from; predictions of earlier ones carry no token loss
    length: int = 10  # H: decisions of a training segment; imagination has H - context
    model_batch: int = 32  # segments per update
    prioritised: float = 0.3  # share of them drawn by priority
    model_rate: float = 2e-4  # learning rate
    model_decay: float = 0.05  # weight decay of matrices; embeddings, norms and biases have none
    model_clip: float = 3.0  # largest gradient norm

    # Controller
    lstm: int = 512  # units
    fuser: tuple[int, ...] = (512,)  # widths between the encoded observation and the LSTM
    channels: tuple[int, ...] = (128, 64)  # of the convolutions over an image's codes
    separate: bool = False  # actor and critic have each a network of their own: dm_control
    burn_in: int = 20  # observations that warm the LSTM up before a segment's context
    controller_batch: int = 128  # dreams per update
    controller_rate: float = 2e-4  # learning rate
    controller_decay: float = 0.01  # weight decay
    controller_clip: float = 3.0  # largest gradient norm
    discount: float = 0.99  # per decision
    lambda_: float = 0.95  # of the returns
    entropy_scale: float = 1e-3  # of the policy's entropy
    extrinsic: float = 1.0  # weight of the predicted reward
    intrinsic: float = 1.0  # weight of the ensemble's disagreement, nats; 10 in dm_control
    epsilon: float = 0.01  # probability of a random action in collection; 0 in dm_control
    temperature: float = 0.5  # of the policy in evaluation

    # Loop, in epochs of `epoch_steps` decisions
    epoch_steps: int = 200  # decisions per epoch
    final_epochs: int = 100  # epochs of training after the last decision
    tokenizer_after: int = 5  # epochs before the tokenizer trains
    model_after: int = 25  # epochs before the world model trains
    controller_after: int = 50  # epochs before the controller trains
    critic_epochs: int = 0  # of the controller's first epochs, in which the critic alone trains; 4 in dm_control
    tokenizer_updates: int = 200  # per epoch
    model_updates: int = 200  # per epoch
    controller_updates: int = 80  # per epoch
    replay: int = 1_000_000  # rows

    # What `simulus:parity` turns back (README)
    end_shift: bool = True  # P1: an end is learnt at the observation that follows the fatal action
    burn_in_actions: bool = True  # P4: the LSTM sees the actions of its burn-in
    aligned_context: bool = True  # P5: the model's context ends at the observation the policy sees
    executed_action: bool = True  # P6: the LSTM sees the executed action, not the one a random one replaced
    final_bonus: bool = False  # P9: the intrinsic reward goes on when nothing is collected any more
    batch_norm: bool = False  # P10: the decoder opens with BatchNorm instead of GroupNorm

    # Perceptual term of the tokenizer's loss
    lpips: str = ""  # folder with vgg16-397923af.pth and vgg.pth; "": L1 and the worst pixel instead
