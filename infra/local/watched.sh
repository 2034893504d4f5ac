# A function under `cargo lambda watch`: cargo runs it through this. Its lines are kept apart from the others', and RUST_LOG is that of
# functions, not of cargo-lambda.
unset AWS_LAMBDA_MAX_CONCURRENCY # cargo-lambda says 1, and the runtime warns that it is none
export RUST_LOG="$FUNCTION_RUST_LOG"
exec "$@" >>"$FUNCTION_LOGS/$AWS_LAMBDA_FUNCTION_NAME.log" 2>&1
