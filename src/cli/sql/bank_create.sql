-- Tables of the workload "bank". Transfers move money between accounts, so sum(accounts.balance) never changes.
CREATE TABLE IF NOT EXISTS users (
    id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
    id bigint PRIMARY KEY, user_id bigint NOT NULL, balance numeric(18,2) NOT NULL, updated_at timestamptz NOT NULL);
CREATE TABLE IF NOT EXISTS transfers (
    id bigint PRIMARY KEY, from_account bigint NOT NULL, to_account bigint NOT NULL, amount numeric(18,2) NOT NULL, at timestamptz NOT NULL);
