"""A Llama as a torch module whose names are those of the packaged tensors, with places for picture tokens.

Source: Llama (Touvron et al., arXiv 2302.13971), in the shape of SmolLM2 (Allal et al., arXiv 2502.02737);
low-rank adapters: LoRA (Hu et al., arXiv 2106.09685), kept beside the weights that they change.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.language.weights import PACKAGED, Shape

RANK = 8
SCALE = 2.0
"""What the adapters' products are multiplied with (alpha / rank)."""
_ADAPTER = (".down", ".up")


class Norm(nn.Module):
    """Rows of root mean square 1, times a weight."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the same shape."""
        return functional.rms_norm(hidden, self.weight.shape, self.weight, self.epsilon)


class Linear(nn.Module):
    """A matrix."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (..., channels_out), in the numbers of the input whatever the weight's are."""
        return functional.linear(hidden.to(self.weight.dtype), self.weight).to(hidden.dtype)


class AdaptedLinear(Linear):
    """A matrix that stays as it is, and one of low rank that is learnt; at first that one is zero."""

    def __init__(self, channels_in: int, channels_out: int, rank: int = RANK) -> None:
        super().__init__(channels_in, channels_out)
        self.down = nn.Parameter(torch.empty(rank, channels_in))
        self.up = nn.Parameter(torch.zeros(channels_out, rank))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return (..., channels_out)."""
        learnt = functional.linear(functional.linear(hidden, self.down), self.up * SCALE)
        return super().forward(hidden) + learnt


class Layer(nn.Module):
    """Attention, then a gated perceptron on each token."""

    def __init__(self, shape: Shape, rank: int) -> None:
        super().__init__()
        self.shape = shape
        self.attn_norm = Norm(shape.width, shape.norm_epsilon)
        self.attn_q = AdaptedLinear(shape.width, shape.width, rank)
        self.attn_k = AdaptedLinear(shape.width, shape.key_width, rank)
        self.attn_v = AdaptedLinear(shape.width, shape.key_width, rank)
        self.attn_output = AdaptedLinear(shape.width, shape.width, rank)
        self.ffn_norm = Norm(shape.width, shape.norm_epsilon)
        self.ffn_gate = Linear(shape.width, shape.inner_width)
        self.ffn_up = Linear(shape.width, shape.inner_width)
        self.ffn_down = Linear(shape.inner_width, shape.width)

    def forward(self, hidden: Tensor, turns: tuple[Tensor, Tensor], penalty: Tensor) -> Tensor:
        """Return (batch, token, width).

        Args:
            hidden: (batch, token, width).
            turns: Cosine and sine of each token's place, each (batch, 1, token, head_width).
            penalty: (batch, 1, token, token), 0 where a token may look, else the least number.
        """
        hidden = hidden + self._seen(self.attn_norm(hidden), turns, penalty)
        inner = self.ffn_norm(hidden)
        return hidden + self.ffn_down(functional.silu(self.ffn_gate(inner)) * self.ffn_up(inner))

    def _seen(self, inner: Tensor, turns: tuple[Tensor, Tensor], penalty: Tensor) -> Tensor:
        query, key, value = (
            part(inner).unflatten(-1, (-1, self.shape.head_width)).transpose(1, 2)
            for part in (self.attn_q, self.attn_k, self.attn_v)
        )  # each (batch, head, token, head_width)
        shared = self.shape.heads // self.shape.key_heads
        key, value = turned(key, turns).repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
        seen = functional.scaled_dot_product_attention(turned(query, turns), key, value, attn_mask=penalty)
        found: Tensor = self.attn_output(seen.transpose(1, 2).flatten(2))
        return found


class Llama(nn.Module):
    """Tokens, some of them of a picture, to the log-probabilities of what may follow.

    Args:
        shape: Of the packaged model, unless a test wants a small one.
        rank: Of the adapters.
    """

    def __init__(self, shape: Shape = PACKAGED, *, rank: int = RANK) -> None:
        super().__init__()
        self.shape = shape
        self.token_embd = nn.Embedding(shape.vocabulary, shape.width)
        self.blk = nn.ModuleList(Layer(shape, rank) for _ in range(shape.layers))
        self.output_norm = Norm(shape.width, shape.norm_epsilon)
        self.requires_grad_(requires_grad=False)
        for parameter in self.adapter().values():
            parameter.requires_grad_(requires_grad=True)

    def forward(  # noqa: PLR0913, PLR0917  (the tensors of the graph)
        self,
        input_ids: Tensor,
        positions: Tensor,
        mask: Tensor,
        image_tokens: Tensor,
        image_places: Tensor,
        reads: Tensor,
        choices: Tensor,
    ) -> Tensor:
        """Return the log-probability of each choice at each read, (batch, read, choice).

        Args:
            input_ids: (batch, token); what stands where a picture token goes does not count.
            positions: (batch, token), from 0.
            mask: (batch, token, token), true where the first token may look at the second.
            image_tokens: (batch, image, width).
            image_places: (batch, token), the number of the picture token that stands there, or -1.
            reads: (batch, read), tokens behind which is read.
            choices: (batch, read, choice), tokens that may follow there.
        """
        embedded = self.embed(input_ids, image_tokens, image_places)
        logits = self.logits(self.hidden(embedded, positions, mask, reads))
        return logits.log_softmax(-1).gather(-1, choices)

    def embed(self, input_ids: Tensor, image_tokens: Tensor, image_places: Tensor) -> Tensor:
        """Return what the lowest layer is given, (batch, token, width)."""
        words = self.token_embd(input_ids)
        pictures = rows(image_tokens, image_places.clamp(min=0))
        return torch.where((image_places >= 0)[..., None], pictures, words)

    def hidden(
        self, embedded: Tensor, positions: Tensor, mask: Tensor, reads: Tensor, *, frozen: int = 0
    ) -> Tensor:
        """Return what the highest layer says at the reads, (batch, read, width).

        Args:
            embedded: From `embed`.
            positions: As in `forward`.
            mask: As in `forward`.
            reads: As in `forward`.
            frozen: So many of the lowest layers learn nothing, nor does what is beneath them: cheaper.
        """
        turns = self.turns(positions)
        # finite, so that a row that looks nowhere is no NaN for others to see
        least = torch.finfo(embedded.dtype).min
        penalty = torch.zeros_like(mask, dtype=embedded.dtype).masked_fill(~mask, least)[:, None]
        hidden = embedded
        for number, layer in enumerate(self.blk):
            with torch.set_grad_enabled(torch.is_grad_enabled() and number >= frozen):
                hidden = layer(hidden, turns, penalty)
        normed: Tensor = self.output_norm(rows(hidden, reads))
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the logit of every token behind hidden states, (..., vocabulary)."""
        return functional.linear(hidden, self.token_embd.weight)

    def turns(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of rotary positions, each (batch, 1, token, head_width)."""
        half = self.shape.head_width // 2
        steps = torch.arange(half, dtype=torch.float32, device=positions.device) / half
        angles = positions[:, None, :, None].float() * self.shape.rotary_base**-steps
        angles = torch.cat([angles, angles], -1)
        return angles.cos(), angles.sin()

    def round_base(self) -> None:
        """Keep the matrices that stay in bfloat16: four times as fast where a CPU knows it, for training."""
        for module in self.blk.modules():
            if isinstance(module, Linear):
                module.weight.data = module.weight.data.to(torch.bfloat16)

    def adapter(self) -> dict[str, nn.Parameter]:
        """Return the weights that are learnt, by name."""
        return {name: value for name, value in self.named_parameters() if name.endswith(_ADAPTER)}

    def load_base(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights that stay. Raises ValueError if they are others than these."""
        missing, unexpected = self.load_state_dict(weights, strict=False)
        missing = [name for name in missing if not name.endswith(_ADAPTER)]
        if missing or unexpected:
            raise ValueError(f"missing {missing[:1]}, unexpected {unexpected[:1]}")

    def load_adapter(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights that were learnt. Raises ValueError if they are others than these."""
        if weights.keys() != self.adapter().keys():
            raise ValueError("these are not the adapters of this model")
        self.load_state_dict(weights, strict=False)


def turned(heads: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Return heads with their positions in them, (batch, head, token, head_width)."""
    cosine, sine = turns
    half = heads.shape[-1] // 2
    first, second = heads[..., :half], heads[..., half:]
    return heads * cosine + torch.cat([-second, first], -1) * sine


def rows(values: Tensor, places: Tensor) -> Tensor:
    """Return for each place the row of its own sample, (batch, place, width)."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))
