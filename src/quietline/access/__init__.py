"""Who may look. It runs inside the vault process, and each module answers one question:

    decide      may this agent do this to this field, now, on this call? (pure; the rules are Cedar: policies/*.cedar)
    cedar       the policy engine, made to fail closed
    grants      whose call is it, does it live, how many looks are left, how sure are we of the caller? (pure)
    assurance   what is a number, a trunk, a code worth? (pure)
    codes       were these the six digits we sent? (pure)
    sign_in     is this login and password right? (argon2id in threads of its own, back-off)
    sessions    who is signed in?
    identity    what is this person: role, store, skills, certificates, as the ledger vouches for them?
    vouch       did we write this row, or has somebody changed it behind our back?
    reasons     why not, and what to do about it: the closed words of every denial
    ports       what is asked of storage; staff_sqlite and staff_memory answer

What blocks says so in its docstring, and belongs in a thread.
"""
