"""What ranking does."""

from services.ranking.usecases.ask import Answer, AskRanker, Desk
from services.ranking.usecases.asked import QuestionKey
from services.ranking.usecases.pacing import Pacemaker
from services.ranking.usecases.rank import Rank, Ranked

__all__ = ["Answer", "AskRanker", "Desk", "Pacemaker", "QuestionKey", "Rank", "Ranked"]
