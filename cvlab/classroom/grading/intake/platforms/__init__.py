"""The platforms whose submissions can be read: a new one is a module and a line here."""

from cvlab.classroom.grading.intake.platforms.blackboard import Blackboard
from cvlab.classroom.grading.intake.platforms.canvas import Canvas
from cvlab.classroom.grading.intake.platforms.folder import Folder
from cvlab.classroom.grading.intake.platforms.moodle import Moodle
from cvlab.classroom.grading.intake.platforms.nbgrader import Nbgrader, Submitted

#: The first whose own an input is sorts it: what leaves no doubt comes first, the folder last.
PLATFORMS = (Submitted(), Moodle(), Blackboard(), Canvas(), Nbgrader(), Folder())
