"""One patient's course as a picture and a page to read: what was charted, graded, paged and answered."""
