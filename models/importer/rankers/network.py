"""The two halves of such a model as graphs: crops to tokens, and rows of tokens to log-probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.importer.preprocessing import Preprocessing

_HIDDEN = -1e9


class _Normalised(nn.Module):
    """Bytes as the first layer reads them."""

    scale: Tensor
    shift: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
        self.register_buffer("scale", preprocessing.rescale / std, persistent=False)
        self.register_buffer("shift", mean / std, persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Return (n, 3, size, size) of RGB bytes (n, size, size, 3)."""
        return (crops.to(torch.float32) * self.scale - self.shift).permute(0, 3, 1, 2)


class LlavaTokens(nn.Module):
    """Crops of bytes to tokens of the language model: vision tower, one of its layers, projector.

    Args:
        model: A LLaVA.
        preprocessing: What is done to the pixels of a crop.
    """

    def __init__(self, model: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.normalised = _Normalised(preprocessing)
        self.tower = model.model.vision_tower
        self.projector = model.model.multi_modal_projector
        self.layer = int(model.config.vision_feature_layer)
        self.first = int(model.config.vision_feature_select_strategy == "default")

    def forward(self, crops: Tensor) -> Tensor:
        """Return tokens (n, v, dim) of RGB bytes (n, size, size, 3)."""
        seen = self.tower(pixel_values=self.normalised(crops), output_hidden_states=True)
        found: Tensor = self.projector(seen.hidden_states[self.layer][:, self.first :])
        return found


class Idefics3Tokens(nn.Module):
    """Crops of bytes to tokens of the language model: vision tower, and what makes one token of some patches.

    The tower places patches by the part of a picture that they are at, which for a whole square is the same
    for every picture: those places are kept as numbers.

    Args:
        model: An Idefics3.
        preprocessing: What is done to the pixels of a crop.
    """

    places: Tensor

    def __init__(self, model: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        tower = model.model.vision_model
        self.normalised = _Normalised(preprocessing)
        self.patches = tower.embeddings.patch_embedding
        self.encoder = tower.encoder
        self.norm = tower.post_layernorm
        self.connector = model.model.connector
        places = _places(tower.embeddings, preprocessing.size_px)
        self.register_buffer("places", places, persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Return tokens (n, v, dim) of RGB bytes (n, size, size, 3)."""
        patches = self.patches(self.normalised(crops)).flatten(2).transpose(1, 2)  # (n, patches, width)
        seen = self.encoder(inputs_embeds=patches + self.places, attention_mask=None).last_hidden_state
        found: Tensor = self.connector(self.norm(seen))
        return found


def _places(embeddings: Any, size_px: int) -> Tensor:
    """Return what transformers adds to the patches of a whole square, (1, patches, width)."""
    found: list[Tensor] = []
    hook = embeddings.position_embedding.register_forward_hook(lambda _module, _given, out: found.append(out))
    side = size_px // embeddings.patch_size
    try:
        with torch.no_grad():
            embeddings(
                pixel_values=torch.zeros((1, 3, size_px, size_px)),
                patch_attention_mask=torch.ones((1, side, side), dtype=torch.bool),
            )
    finally:
        hook.remove()
    return found[0]


class LetterRanker(nn.Module):
    """Rows of tokens, some of them of a picture, to log-probabilities of what may stand next.

    Args:
        reader: The language model, without its head.
        head: From what it makes of a token to the vocabulary.
    """

    def __init__(self, reader: Any, head: Any) -> None:
        super().__init__()
        self.reader = reader
        self.head = head

    def forward(  # noqa: PLR0913, PLR0917  (the graph's inputs)
        self,
        input_ids: Tensor,
        positions: Tensor,
        mask: Tensor,
        image_tokens: Tensor,
        image_places: Tensor,
        reads: Tensor,
        choices: Tensor,
    ) -> Tensor:
        """Return log-probabilities (b, r, c) over the whole vocabulary.

        Args:
            input_ids: (b, t).
            positions: (b, t).
            mask: (b, t, t), true where a token may look.
            image_tokens: (b, v, dim).
            image_places: (b, t): which token of the picture stands there, or -1.
            reads: (b, r): places whose next token is asked for.
            choices: (b, r, c): the tokens.
        """
        width = image_tokens.shape[-1]
        places = image_places.clamp(min=0).unsqueeze(-1).expand(-1, -1, width)
        shown = torch.gather(image_tokens, 1, places)  # (b, t, dim)
        embedded = self.reader.get_input_embeddings()(input_ids)
        embedded = torch.where((image_places >= 0).unsqueeze(-1), shown, embedded)
        hidden = self.reader(
            inputs_embeds=embedded,
            attention_mask=(~mask).to(torch.float32).unsqueeze(1) * _HIDDEN,
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        read = torch.gather(hidden, 1, reads.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
        return torch.gather(torch.log_softmax(self.head(read), dim=-1), 2, choices)
