"""A site whose laboratory, wards and pharmacy send what the reference case tells: encoders, and the ways it is sent."""
