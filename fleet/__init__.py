"""The chain's server: enrolment authority, broker configuration, publisher and console."""
