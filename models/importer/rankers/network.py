"""The two halves of such a model as graphs: crops to tokens, and rows of tokens to log-probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.importer.preprocessing import Preprocessing

_HIDDEN = -1e9


class CropTokens(nn.Module):
    """Crops of bytes to tokens of the language model: vision tower, one of its layers, projector.

    Args:
        model: A LLaVA.
        preprocessing: What is done to the pixels of a crop.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: Any, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.tower = model.model.vision_tower
        self.projector = model.model.multi_modal_projector
        self.layer = int(model.config.vision_feature_layer)
        self.first = int(model.config.vision_feature_select_strategy == "default")
        mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
        self.register_buffer("scale", preprocessing.rescale / std, persistent=False)
        self.register_buffer("shift", mean / std, persistent=False)

    def forward(self, crops: Tensor) -> Tensor:
        """Return tokens (n, v, dim) of RGB bytes (n, size, size, 3)."""
        pixels = (crops.to(torch.float32) * self.scale - self.shift).permute(0, 3, 1, 2)
        seen = self.tower(pixel_values=pixels, output_hidden_states=True).hidden_states[self.layer]
        found: Tensor = self.projector(seen[:, self.first :])
        return found


class LetterRanker(nn.Module):
    """Rows of tokens, some of them of a picture, to log-probabilities of what may stand next.

    Args:
        model: A LLaVA.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.reader = model.model.language_model
        self.head = model.lm_head

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
