"""One table through the Beam components on several engines: do they agree, and what does each cost?"""
