from governance.models.ballot import Ballot
from governance.models.decision import Decision
from governance.models.round import Candidate, Elector, Round

__all__ = ["Ballot", "Candidate", "Decision", "Elector", "Round"]
