"""What runs in the zygote and inside a sandbox: standard library only, one thread, nothing imported late."""
