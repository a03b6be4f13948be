"""The report: one patient's course as a picture and a page, with readings, grades, pages and answers."""
