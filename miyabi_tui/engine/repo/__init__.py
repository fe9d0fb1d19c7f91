"""The user's repository: worktrees, diffs and the merge. Nothing here touches their checkout."""
