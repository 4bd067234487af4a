"""The technician: tickets, enrolment, self-test, swap, wipe and labels."""
