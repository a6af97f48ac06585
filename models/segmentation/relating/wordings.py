"""Ways to ask for something, besides those of the scenes; none of them says a cue.

None is like those that evaluation asks in, so that what it measures is how far unheard ways are understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Final

from models.segmentation.lessons import Lesson
from models.segmentation.samples import Prompt, PromptKind

WORDINGS: Final = (
    "I want {}.",
    "Give me {}.",
    "Locate {}.",
    "Select {}, please.",
    "Look for {}.",
    "Highlight {}.",
    "Cut out {}.",
    "Segment {} for our catalogue.",
    "Is {} anywhere?",
    "Do you see {}?",
    "How large is {}?",
    "Which pixels belong to {}?",
    "Could you find {} in the photo?",
    "Could somebody check {}?",
    "Tell me where {} is.",
    "Let us see {}.",
    "We are interested in {} and nothing else.",
    "My question is about {}.",
    "It is {} that matters to us.",
    "Keep {} and drop the rest.",
    "Search the image for {} and tell me about it.",
    "Somewhere there should be {}.",
    "Hello, may I have {}?",
    "Show {}",
    "what about {}",
    "{}, please",
    "{}!",
    "{} is what I need.",
    "{}: where?",
    "There is {} here, I believe.",
    "Here we have {}.",
    "An image with {}.",
    "a photo of {}",
    "Our customer asks for {}.",
    "They told me to look at {}.",
    "She has lost {}; help her.",
    "He wonders whether {} can be seen.",
    "Whoever finds {} wins.",
    "For the report, mark {}.",
    "Crop the picture to {}.",
    "Draw a box around {}.",
    "Outline {} carefully.",
    "Remove everything except {}.",
    "Blur the background behind {}.",
    "Return {}.",
    "Get {} for me.",
    "Fetch {}.",
    "Spot {} if you can.",
    "Try to recognise {}.",
    "Focus on {}.",
    "Zoom in on {}.",
    "Describe {} to me.",
    "Count as found: {}.",
    "What can you say about {}?",
    "What is the position of {}?",
    "Whereabouts would {} be?",
    "Is it possible to see {} from here?",
    "Was {} photographed, too?",
    "Does the scene contain {}?",
    "Has anybody noticed {}?",
    "Would you be so kind as to indicate {}?",
    "Can we have a closer look at {}?",
    "May I ask you to find {} quickly?",
    "You should be able to see {}.",
    "In this shot I am after {}.",
    "Among all of these, pick {}.",
    "In front of the camera stands {}, or so they say.",
    "If the picture shows {}, say so.",
    "Unless I am mistaken, {} is in there.",
    "As far as I remember, we photographed {} that day.",
    "Since it is for a child, make it easy: find {}.",
    "The object of interest is {}.",
    "The task is to detect {}.",
    "target: {}",
    "query = {}",
    "Look closely; do you see {} now?",
    "Thanks for showing me {} earlier, where is it now?",
    "Good morning! We need {} for a presentation.",
)
"""Those that are taught."""
KEPT_WORDINGS: Final = (
    "Bring me {}.",
    "Identify {}.",
    "I would love to see {}.",
    "Which part of the image is {}?",
    "{} - got it?",
    "Trace the edges of {}.",
    "My boss needs {} by noon.",
    "Is {} visible to you?",
    "They say that {} is somewhere around.",
    "Could {} be in the frame?",
    "Leave out all but {}.",
    "Put a marker on {}.",
    "What I mean is {}.",
    "object: {}",
    "Have a look whether you discover {}.",
    "Everybody keeps talking about {}, so find it.",
)
"""Those that are never taught: what a sentence's score has to exceed is chosen on them."""


def reworded(phrases: Sequence[str], *, times: int, wordings: Sequence[str] = WORDINGS) -> list[list[str]]:
    """Return each phrase in so many of the wordings, the next ones each time.

    Args:
        phrases: Each without a verb, as `the red cup`.
        times: How often.
        wordings: With the place of the phrase.
    """
    following = cycle(wordings)
    return [[next(following).format(phrase) for _ in range(times)] for phrase in phrases]


def as_sentences(each: Lesson, sentences: Mapping[str, str]) -> Lesson:
    """Return a lesson in which some phrases are asked as sentences.

    Args:
        each: The lesson.
        sentences: Of those phrases.
    """
    prompts = (
        Prompt(PromptKind.SENTENCE, sentences[prompt.text])
        if prompt.kind is PromptKind.PHRASE and prompt.text in sentences
        else prompt
        for prompt in each.prompts
    )
    return replace(each, prompts=tuple(prompts))
