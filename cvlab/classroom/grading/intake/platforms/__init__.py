"""The platforms whose submissions can be read: a new one is a module and a line here."""

from cvlab.classroom.grading.intake.platforms.blackboard import Blackboard
from cvlab.classroom.grading.intake.platforms.brightspace import Brightspace
from cvlab.classroom.grading.intake.platforms.canvas import Canvas
from cvlab.classroom.grading.intake.platforms.folder import Folder
from cvlab.classroom.grading.intake.platforms.google_classroom import Classroom
from cvlab.classroom.grading.intake.platforms.gradescope import Gradescope
from cvlab.classroom.grading.intake.platforms.ilias import Ilias
from cvlab.classroom.grading.intake.platforms.moodle import Moodle
from cvlab.classroom.grading.intake.platforms.nbgrader import Nbgrader, Submitted
from cvlab.classroom.grading.intake.platforms.sakai import Sakai

#: The first whose own an input is sorts it: what leaves no doubt comes first, the folder last.
PLATFORMS = (
    *(Submitted(), Moodle(), Blackboard(), Gradescope(), Sakai(), Brightspace(), Canvas()),
    *(Nbgrader(), Ilias(), Classroom(), Folder()),
)
