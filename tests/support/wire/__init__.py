"""A site whose laboratory, wards and pharmacy send what the reference case says: encoders, and the ways it is sent."""
